package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// typeCheck compares JSON with the Go type that it is decoded into. It finds all differences, and
// the field of each, while a decoder stops at the first one and does not say in which item of a
// list it is.
type typeCheck struct {
	// fields that the type does not have, and items without content, are differences too
	strict bool
	wrong  []string
}

// errors returns the first differences, and how many more there are.
func (c *typeCheck) errors() []error {
	var all []error
	for _, text := range c.wrong[:min(len(c.wrong), maxErrors)] {
		all = append(all, errors.New(text))
	}
	if more := len(c.wrong) - maxErrors; more > 0 {
		all = append(all, fmt.Errorf("… and %d more, told once these are mended", more))
	}
	return all
}

// addf adds the difference of a field.
func (c *typeCheck) addf(at *field.Path, format string, args ...any) {
	c.wrong = append(c.wrong, at.String()+": "+fmt.Sprintf(format, args...))
}

// decodeTree decodes a JSON object with its numbers as they are written.
func decodeTree(raw []byte) (map[string]any, error) {
	var stated map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&stated); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return stated, nil
}

// typeErrors returns the differences of an object that a decoder refused with err, or err if
// there are none.
func typeErrors(raw []byte, t reflect.Type, err error) []error {
	stated, _ := decodeTree(raw)
	var c typeCheck
	c.check(stated, t, nil)
	if len(c.wrong) == 0 {
		return []error{fmt.Errorf("decode: %w", err)}
	}
	return c.errors()
}

// decodeExactly decodes a value if it has exactly the type that it is decoded into, and reports
// whether it has.
func decodeExactly(v any, into any) bool {
	c := typeCheck{strict: true}
	c.check(v, reflect.TypeOf(into).Elem(), nil)
	raw, err := json.Marshal(v)
	return len(c.wrong) == 0 && err == nil && json.Unmarshal(raw, into) == nil
}

// check compares a value with a type. Null is an absent value, which is right anywhere but in a
// list.
func (c *typeCheck) check(v any, t reflect.Type, at *field.Path) {
	switch {
	case v == nil:
	case t == reflect.TypeFor[intstr.IntOrString]():
		c.numberOrName(v, at)
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()):
		c.selfDecoding(v, t, at)
	case t.Kind() == reflect.Pointer:
		c.check(v, t.Elem(), at)
	case t.Kind() == reflect.Struct:
		c.fields(v, t, at)
	case t.Kind() == reflect.Map:
		c.entries(v, t.Elem(), at)
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8:
		c.items(v, t.Elem(), at)
	default:
		c.scalar(v, t, at)
	}
}

// numberOrName compares with an IntOrString, such as a port.
func (c *typeCheck) numberOrName(v any, at *field.Path) {
	if _, isName := v.(string); !isName && !isInteger(v, 32) {
		c.addf(at, "is %s; expected a number or a name", describe(v))
	}
}

// selfDecoding compares with a type that decodes itself, such as a time.
func (c *typeCheck) selfDecoding(v any, t reflect.Type, at *field.Path) {
	raw, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(raw, reflect.New(t).Interface())
	}
	if err != nil {
		c.addf(at, "is %s: %v", describe(v), err)
	}
}

// fields compares with a struct.
func (c *typeCheck) fields(v any, t reflect.Type, at *field.Path) {
	for name, value := range c.mapping(v, at) {
		switch f, known := fieldNamed(t, name); {
		case known:
			c.check(value, f, child(at, name))
		case c.strict:
			c.addf(child(at, short(name, maxValue)), "is no field of the API; expected %s",
				alternatives(fieldNames(t)))
		}
	}
}

// entries compares with a map.
func (c *typeCheck) entries(v any, t reflect.Type, at *field.Path) {
	for key, value := range c.mapping(v, at) {
		c.check(value, t, at.Key(short(key, maxValue)))
	}
}

// mapping iterates over a mapping in the order of its keys. Another value is a difference.
func (c *typeCheck) mapping(v any, at *field.Path) func(yield func(string, any) bool) {
	m, ok := v.(map[string]any)
	if !ok {
		c.addf(at, "is %s; expected a mapping", describe(v))
	}
	return func(yield func(string, any) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}

// items compares with a slice.
func (c *typeCheck) items(v any, t reflect.Type, at *field.Path) {
	list, ok := v.([]any)
	if !ok {
		c.addf(at, "is %s; expected a list", describe(v))
	}
	for i, item := range list {
		if item == nil && c.strict {
			c.addf(at.Index(i), "is empty; expected %s", expected(t))
		}
		c.check(item, t, at.Index(i))
	}
}

// scalar compares with a boolean, a number or a string. Bytes are a string too.
func (c *typeCheck) scalar(v any, t reflect.Type, at *field.Path) {
	fits := true
	switch t.Kind() {
	case reflect.Bool:
		_, fits = v.(bool)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		fits = isInteger(v, t.Bits())
	case reflect.String, reflect.Slice:
		_, fits = v.(string)
	}
	if !fits {
		c.addf(at, "is %s; expected %s", describe(v), expected(t)+hint(v, t))
	}
}

// isInteger reports whether a value is a number without a fraction, of at most so many bits.
func isInteger(v any, bits int) bool {
	n, ok := v.(json.Number)
	if !ok {
		return false
	}
	_, err := strconv.ParseInt(n.String(), 10, bits)
	return err == nil
}

// child returns the path of a field; at may be nil, for the top.
func child(at *field.Path, name string) *field.Path {
	if at == nil {
		return field.NewPath(name)
	}
	return at.Child(name)
}

// fieldNamed finds the field of a struct that has a name in JSON, in embedded structs too.
func fieldNamed(t reflect.Type, name string) (reflect.Type, bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == name && name != "" {
			return f.Type, true
		}
		if tag == "" && f.Anonymous {
			if inner, ok := fieldNamed(f.Type, name); ok {
				return inner, true
			}
		}
	}
	return nil, false
}

// fieldNames returns the names that a struct has in JSON, sorted.
func fieldNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "" && f.Anonymous {
			names = append(names, fieldNames(f.Type)...)
		} else if tag != "" {
			names = append(names, tag)
		}
	}
	slices.Sort(names)
	return names
}

// alternatives returns "a, b or c".
func alternatives(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// describe says what a value is. The text of a string is cut.
func describe(v any) string {
	switch v := v.(type) {
	case string:
		return fmt.Sprintf("the string %q", short(v, maxValue))
	case []any:
		return "a list"
	case map[string]any:
		return "a mapping"
	default:
		return short(fmt.Sprint(v), maxValue) // a number, true or false
	}
}

// expected says which value has a type.
func expected(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return expected(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "a mapping"
	default:
		return "a string"
	}
}

// hint says how to write what the author probably meant.
func hint(v any, t reflect.Type) string {
	_, isNumber := v.(json.Number)
	_, isBool := v.(bool)
	switch {
	case t.Kind() == reflect.String && (isNumber || isBool):
		return ", in quotes"
	case isInteger(v, 64):
		return fmt.Sprintf(" of %d bits", t.Bits())
	default:
		return ""
	}
}
