package main

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// packet is what is sent, over UDP as a datagram and over TCP as all that a connection carries: the name of the
// flow and the number within it, from 0.
type packet struct {
	Flow   string // 16 bytes at most
	Number uint64
}

const packetSize = 24

func (p packet) encode() []byte {
	data := make([]byte, packetSize)
	copy(data[:16], p.Flow)
	binary.BigEndian.PutUint64(data[16:], p.Number)
	return data
}

func decode(data []byte) (packet, error) {
	if len(data) != packetSize {
		return packet{}, fmt.Errorf("%d bytes; expected %d", len(data), packetSize)
	}
	return packet{strings.TrimRight(string(data[:16]), "\x00"), binary.BigEndian.Uint64(data[16:])}, nil
}
