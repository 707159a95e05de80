package sandbox_test

import (
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// routersHeard counts what routers said to the calling thread's namespace: the kernel counts it
// where it takes it in, which is behind the firewall.
func routersHeard() (count int, err error) {
	text6, err := os.ReadFile("/proc/thread-self/net/snmp6")
	if err != nil {
		return 0, err
	}
	for line := range words(string(text6)) {
		if line[0] == advertisementCounter || line[0] == redirectCounter {
			n, _ := strconv.Atoi(line[1])
			count += n
		}
	}
	text, err := os.ReadFile("/proc/thread-self/net/snmp")
	return count + icmpIn(string(text), redirect4), err
}

// icmpIn reads how many ICMP messages of a type came in: "IcmpMsg: InType5 …" over "IcmpMsg: 3 …".
func icmpIn(snmp string, kind int) int {
	var names []string
	for line := range words(snmp) {
		if line[0] != "IcmpMsg:" {
			continue
		}
		for i, name := range names {
			if name == "InType"+strconv.Itoa(kind) {
				n, _ := strconv.Atoi(line[i])
				return n
			}
		}
		names = line
	}
	return 0
}

// sendRedirect4 sends an ICMP redirect about a packet that nobody sent.
func sendRedirect4(to netip.Addr) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	message := append([]byte{redirect4, 1, 0, 0, 10, 244, 1, 3, 0x45, 0, 0, 28, 0, 0, 0, 0, 64,
		unix.IPPROTO_UDP, 0, 0}, to.AsSlice()...)
	message = append(message, 8, 8, 8, 8, 0, 53, 0, 53, 0, 8, 0, 0)
	checksum := sumOf(message)
	message[2], message[3] = byte(checksum>>8), byte(checksum)
	return os.NewSyscallError("sendto", unix.Sendto(fd, message, 0, sockaddr(to, 0)))
}

// sumOf is the internet checksum (RFC 1071) of an even number of bytes.
func sumOf(message []byte) uint16 {
	var sum uint32
	for i := 0; i < len(message); i += 2 {
		sum += uint32(message[i])<<8 | uint32(message[i+1])
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
