package nft

import (
	"errors"
	"io"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// rules lists the rules of a chain. The library refuses the padding before numbers of 64 bits that
// kernels put into limits where the processor reads them at such places only (riscv64, for one): if
// it does, the rules are read once more, and given to it without.
func (b *Backend) rules(
	conn *nftables.Conn, t *nftables.Table, c *nftables.Chain,
) ([]*nftables.Rule, error) {
	rules, err := conn.GetRules(t, c)
	var refused *netlink.OpError
	if err == nil || b.socket == nil || errors.As(err, &refused) {
		return rules, err
	}
	messages, err := b.dumpRules(t, c)
	if err != nil {
		return nil, err
	}
	return parseRules(t, c, messages)
}

// dumpRules reads the rules of a chain as messages of the kernel.
func (b *Backend) dumpRules(t *nftables.Table, c *nftables.Chain) ([]netlink.Message, error) {
	chain, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_RULE_TABLE, Data: []byte(t.Name + "\x00")},
		{Type: unix.NFTA_RULE_CHAIN, Data: []byte(c.Name + "\x00")},
	})
	if err != nil {
		return nil, err
	}
	return b.socket.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETRULE,
			Flags: netlink.Request | netlink.Dump},
		Data: append([]byte{byte(t.Family), unix.NFNETLINK_V0, 0, 0}, chain...),
	})
}

// parseRules has the library read messages without their padding.
func parseRules(
	t *nftables.Table, c *nftables.Chain, messages []netlink.Message,
) ([]*nftables.Rule, error) {
	for i := range messages {
		const header = 4 // struct nfgenmsg
		if len(messages[i].Data) < header {
			continue
		}
		attributes, err := withoutPadding(messages[i].Data[header:], ruleAttributes)
		if err != nil {
			return nil, err
		}
		messages[i].Data = append(messages[i].Data[:header:header], attributes...)
		messages[i].Header.Flags &^= netlink.Multi // they come at once
	}
	// The library reads from a function as it does from a socket, until there is no more.
	conn, err := nftables.New(nftables.WithTestDial(
		func(request []netlink.Message) ([]netlink.Message, error) {
			if request == nil {
				return nil, io.EOF
			}
			return messages, nil
		}))
	if err != nil {
		return nil, err
	}
	return conn.GetRules(t, c)
}

// level is a place in the attributes of a rule: rule, list of expressions, expression, its data.
type level uint8

const (
	ruleAttributes level = iota
	expressionList
	expression
	expressionData
)

// inside is the attribute of a level that has the next level in it.
var inside = [...]uint16{unix.NFTA_RULE_EXPRESSIONS, unix.NFTA_LIST_ELEM, unix.NFTA_EXPR_DATA}

// limitPad is NFTA_LIMIT_PAD.
const limitPad = unix.NFTA_LIMIT_FLAGS + 1

// withoutPadding takes the padding out of the limits among attributes.
func withoutPadding(data []byte, at level) ([]byte, error) {
	attributes, err := netlink.UnmarshalAttributes(data)
	if err != nil {
		return nil, err
	}
	var kept []netlink.Attribute
	isLimit := at != expression
	for _, a := range attributes {
		const kind = netlink.Nested | netlink.NetByteOrder // flags in the type
		number := a.Type &^ kind
		if at == expressionData && number == limitPad && len(a.Data) == 0 {
			continue
		}
		isLimit = isLimit || number == unix.NFTA_EXPR_NAME && string(a.Data) == "limit\x00"
		if at < expressionData && number == inside[at] && isLimit {
			if a.Data, err = withoutPadding(a.Data, at+1); err != nil {
				return nil, err
			}
			a.Length = 0 // counted anew
		}
		kept = append(kept, a)
	}
	return netlink.MarshalAttributes(kept)
}
