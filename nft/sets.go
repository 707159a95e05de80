package nft

import (
	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"

	"github.com/picket-project/picket/ruleset"
)

// The sets and maps of the table as the library describes them, without elements.

// frameSets describes the sets and maps that are there whatever the program is.
func frameSets() []*nftables.Set {
	sets := []*nftables.Set{linksSet()}
	for _, d := range ruleset.Directions {
		for _, f := range ruleset.Families {
			sets = append(sets, verdictMap(d, f))
		}
	}
	for _, s := range ruleset.FixedSets() {
		set := programSet(s.ID)
		set.Comment = s.Comment
		sets = append(sets, set)
	}
	return sets
}

// linksSet describes the set of the interfaces that pods sit behind.
func linksSet() *nftables.Set {
	return &nftables.Set{
		Table: table(0), Name: linkSet, KeyType: nftables.TypeIFName,
		KeyByteOrder: binaryutil.NativeEndian,
	}
}

// verdictMap describes the map by which a packet finds the chain of its subject.
func verdictMap(d ruleset.Direction, f ruleset.Family) *nftables.Set {
	return &nftables.Set{
		Table: table(0), Name: mapName(d, f), IsMap: true,
		KeyType: fields[f].keyType, DataType: nftables.TypeVerdict,
		KeyByteOrder: binaryutil.BigEndian,
	}
}

// programSet describes a set of the program.
func programSet(id ruleset.SetID) *nftables.Set {
	s := &nftables.Set{
		Table: table(0), Name: id.String(), KeyType: setType(id),
		KeyByteOrder:  binaryutil.BigEndian,
		Interval:      id.Kind == ruleset.Ranges || id.Kind == ruleset.PortRanges,
		Concatenation: isConcatenation(id.Kind),
	}
	if id.Leads() {
		s.IsMap, s.DataType = true, nftables.TypeVerdict
	}
	return s
}

// isConcatenation reports whether the key of a kind of set has several fields.
func isConcatenation(kind ruleset.SetKind) bool {
	return kind != ruleset.Addresses && kind != ruleset.Ranges && kind != ruleset.PortRanges
}

// setType returns the type of the keys of a set: an address, a port, or several fields one after
// another.
func setType(id ruleset.SetID) nftables.SetDatatype {
	switch id.Kind {
	case ruleset.AddressPorts:
		return fields[id.Family].addressPortsType
	case ruleset.PortMap, ruleset.ProtoPorts:
		return portMapType
	case ruleset.LinkAddresses:
		return fields[id.Family].linkAddressType
	case ruleset.PortRanges:
		return nftables.TypeInetService
	default:
		return fields[id.Family].keyType
	}
}

var portMapType = nftables.MustConcatSetType(nftables.TypeInetProto, nftables.TypeInetService)

// cutSet describes the set of the cuts of a family and kind.
func cutSet(f ruleset.Family, k cutKind) *nftables.Set {
	addr := fields[f].keyType
	key := [...][]nftables.SetDatatype{
		cutFlows:   {addr, addr, nftables.TypeInetProto, nftables.TypeInetService},
		cutPairs:   {addr, addr},
		cutClients: {addr, nftables.TypeInetProto},
	}[k]
	return &nftables.Set{
		Table: table(0), Name: cutSetName(f, k), KeyType: nftables.MustConcatSetType(key...),
		KeyByteOrder: binaryutil.BigEndian, Concatenation: true,
	}
}

// cutSets describes all of them.
func cutSets() []*nftables.Set {
	var sets []*nftables.Set
	for _, f := range ruleset.Families {
		for _, k := range cutKinds {
			sets = append(sets, cutSet(f, k))
		}
	}
	return sets
}
