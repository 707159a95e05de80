package main

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// packet is what is sent, over UDP as a datagram and over TCP as all that a connection carries: the
// name of the flow and the number within it, from 0.
type packet struct {
	Flow   string // 16 bytes at most
	Number uint64
	Quiet  bool // no answer is wanted: the sender will not be there
}

const packetSize = 25

func (p packet) encode() []byte {
	data := make([]byte, packetSize)
	copy(data[:16], p.Flow)
	binary.BigEndian.PutUint64(data[16:], p.Number)
	if p.Quiet {
		data[24] = 1
	}
	return data
}

func decode(data []byte) (packet, error) {
	if len(data) != packetSize {
		return packet{}, fmt.Errorf("%d bytes; expected %d", len(data), packetSize)
	}
	return packet{strings.TrimRight(string(data[:16]), "\x00"), binary.BigEndian.Uint64(data[16:]),
		data[24] == 1}, nil
}
