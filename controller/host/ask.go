package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// patience is for the kernel to answer. Where interfaces come and go it takes long.
	patience = time.Second
	// mostMessages is how many messages of one answer are read. Pods can give themselves any number
	// of addresses, and all other pods would wait until they are listed.
	mostMessages = 1000
)

// errTooMany says that an answer has more messages than are read.
var errTooMany = fmt.Errorf("more than %d", mostMessages)

// ask asks the kernel for interfaces, addresses and the like: a message of a kind, with its
// attributes. The answer's messages are returned up to mostMessages, then errTooMany is, too. The
// netlink libraries would read an answer to its end, however long it is.
func ask(kind, flags uint16, message []byte) (answers [][]byte, err error) {
	socket, err := dialStrict()
	if err != nil {
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	defer unix.Close(socket)
	// struct nlmsghdr: length, kind, flags, sequence, sender.
	request := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(message)))
	request = binary.NativeEndian.AppendUint16(request, kind)
	request = binary.NativeEndian.AppendUint16(request, flags|unix.NLM_F_REQUEST)
	request = append(append(request, make([]byte, 8)...), message...) // sequence and sender: 0
	if err := unix.Sendto(socket, request, 0,
		&unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	// The kernel hands out at most 32 KiB of a list at once.
	buffer := make([]byte, os.Getpagesize()*8)
	for done := false; !done; {
		var more [][]byte
		if more, done, err = receiveAnswer(socket, buffer); err != nil {
			return answers, err
		}
		if answers = append(answers, more...); len(answers) > mostMessages {
			return answers[:mostMessages], errTooMany
		}
	}
	return answers, nil
}

// dialStrict opens a socket whose questions the kernel takes by the letter (Linux 4.20). Otherwise
// it would ignore the number of a namespace, and list the addresses of this one.
func dialStrict() (socket int, err error) {
	socket, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return 0, err
	}
	timeout := unix.NsecToTimeval(patience.Nanoseconds())
	err = errors.Join(
		unix.SetsockoptInt(socket, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1),
		unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout),
	)
	if err != nil {
		unix.Close(socket)
	}
	return socket, err
}

// receiveAnswer reads the next messages of an answer, and whether they are the last.
func receiveAnswer(socket int, buffer []byte) (answers [][]byte, done bool, err error) {
	n, _, err := unix.Recvfrom(socket, buffer, 0)
	switch {
	// A signal came while nothing was there to read; the caller goes on.
	case errors.Is(err, unix.EINTR):
		return nil, false, nil
	case errors.Is(err, unix.EAGAIN):
		return nil, true, fmt.Errorf("the kernel did not answer within %s: %w", patience,
			os.ErrDeadlineExceeded)
	case err != nil:
		return nil, true, err
	}
	messages, err := syscall.ParseNetlinkMessage(buffer[:n])
	if err != nil {
		return nil, true, err
	}
	for _, m := range messages {
		switch m.Header.Type {
		case unix.NLMSG_DONE, unix.NLMSG_ERROR:
			return answers, true, codeOf(m.Data)
		}
		// The next messages are read into the same buffer.
		answers = append(answers, append([]byte(nil), m.Data...))
		// A message that is not part of a list is the whole answer.
		done = m.Header.Flags&unix.NLM_F_MULTI == 0
	}
	return answers, done, nil
}

// codeOf reads the error at the end of an answer; nil: there is none.
func codeOf(data []byte) error {
	if len(data) < 4 {
		return nil
	}
	if code := int32(binary.NativeEndian.Uint32(data)); code < 0 {
		return unix.Errno(-code)
	}
	return nil
}
