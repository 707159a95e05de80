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

// shape compares JSON with the Go type that it is to be decoded into, for people to read: a decoder gives up
// at the first difference, and does not say in which item of which list it is.
type shape struct {
	strict bool // fields that the type does not have, and items without content, are differences too
	wrong  []string
}

// faults are the differences that people hear of, the first ones of many.
func (s *shape) faults() []error {
	var all []error
	for _, text := range s.wrong[:min(len(s.wrong), maxFaults)] {
		all = append(all, errors.New(text))
	}
	if more := len(s.wrong) - maxFaults; more > 0 {
		all = append(all, fmt.Errorf("… and %d more, told once these are mended", more))
	}
	return all
}

func (s *shape) say(at *field.Path, format string, args ...any) {
	s.wrong = append(s.wrong, at.String()+": "+fmt.Sprintf(format, args...))
}

// tree reads a JSON object with its numbers as they are written.
func tree(raw []byte) (map[string]any, error) {
	var stated map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&stated); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return stated, nil
}

// misfit says in which fields an object is not what a decoder wanted, err where that does not show.
func misfit(raw []byte, t reflect.Type, err error) []error {
	stated, _ := tree(raw)
	var s shape
	s.check(stated, t, nil)
	if len(s.wrong) == 0 {
		return []error{fmt.Errorf("decode: %w", err)}
	}
	return s.faults()
}

// sound decodes a value that has the shape of what it is decoded into; any other is left alone.
func sound(v any, into any) bool {
	s := shape{strict: true}
	s.check(v, reflect.TypeOf(into).Elem(), nil)
	raw, err := json.Marshal(v)
	return len(s.wrong) == 0 && err == nil && json.Unmarshal(raw, into) == nil
}

// check compares a value with a type. A null is an absent value: right anywhere but in a list.
func (s *shape) check(v any, t reflect.Type, at *field.Path) {
	switch {
	case v == nil:
	case t == reflect.TypeFor[intstr.IntOrString]():
		s.numberOrName(v, at)
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()):
		s.itself(v, t, at)
	case t.Kind() == reflect.Pointer:
		s.check(v, t.Elem(), at)
	case t.Kind() == reflect.Struct:
		s.fields(v, t, at)
	case t.Kind() == reflect.Map:
		s.entries(v, t.Elem(), at)
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8:
		s.items(v, t.Elem(), at)
	default:
		s.scalar(v, t, at)
	}
}

func (s *shape) numberOrName(v any, at *field.Path) {
	if _, isName := v.(string); !isName && !isInteger(v, 32) {
		s.say(at, "is %s; expected a number or a name", described(v))
	}
}

// itself asks a type that decodes itself, such as a time.
func (s *shape) itself(v any, t reflect.Type, at *field.Path) {
	raw, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(raw, reflect.New(t).Interface())
	}
	if err != nil {
		s.say(at, "is %s: %v", described(v), err)
	}
}

func (s *shape) fields(v any, t reflect.Type, at *field.Path) {
	for name, value := range s.mapping(v, at) {
		switch f, known := fieldNamed(t, name); {
		case known:
			s.check(value, f, child(at, name))
		case s.strict:
			s.say(child(at, short(name, maxValue)), "is no field of the API; expected %s", alternatives(fieldNames(t)))
		}
	}
}

func (s *shape) entries(v any, t reflect.Type, at *field.Path) {
	for key, value := range s.mapping(v, at) {
		s.check(value, t, at.Key(short(key, maxValue)))
	}
}

// mapping goes through a mapping by its keys, in their order.
func (s *shape) mapping(v any, at *field.Path) func(yield func(string, any) bool) {
	m, ok := v.(map[string]any)
	if !ok {
		s.say(at, "is %s; expected a mapping", described(v))
	}
	return func(yield func(string, any) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}

func (s *shape) items(v any, t reflect.Type, at *field.Path) {
	list, ok := v.([]any)
	if !ok {
		s.say(at, "is %s; expected a list", described(v))
	}
	for i, item := range list {
		if item == nil && s.strict {
			s.say(at.Index(i), "is empty; expected %s", expected(t))
		}
		s.check(item, t, at.Index(i))
	}
}

func (s *shape) scalar(v any, t reflect.Type, at *field.Path) {
	fits := true
	switch t.Kind() {
	case reflect.Bool:
		_, fits = v.(bool)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		fits = isInteger(v, t.Bits())
	case reflect.String, reflect.Slice: // bytes are a string too
		_, fits = v.(string)
	}
	if !fits {
		s.say(at, "is %s; expected %s", described(v), expected(t)+hint(v, t))
	}
}

func isInteger(v any, bits int) bool {
	n, ok := v.(json.Number)
	if !ok {
		return false
	}
	_, err := strconv.ParseInt(n.String(), 10, bits)
	return err == nil
}

// child is a field; at may be nil, for the top.
func child(at *field.Path, name string) *field.Path {
	if at == nil {
		return field.NewPath(name)
	}
	return at.Child(name)
}

// fieldNamed finds the field of a struct that JSON calls so, in what it embeds too.
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

// fieldNames are those that JSON can have for a struct, sorted.
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

// alternatives is "a, b or c".
func alternatives(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// described says what a value is; the text of a string is cut.
func described(v any) string {
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

// hint says how to write what was probably meant.
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
