package cli

import (
	"reflect"
	"strings"
)

// jsonNames are the names of the fields of a value in JSON, those of its parts too.
func jsonNames(value any) []string { return namesOf(reflect.TypeOf(value)) }

// namesOf is jsonNames for a type. Times and maps have no names of their own.
func namesOf(of reflect.Type) (names []string) {
	switch of.Kind() {
	case reflect.Slice, reflect.Pointer:
		return namesOf(of.Elem())
	case reflect.Struct:
	default:
		return nil
	}
	for i := range of.NumField() {
		f := of.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" {
			names = append(names, name)
		}
		if name != "" || f.Anonymous {
			names = append(names, namesOf(f.Type)...)
		}
	}
	return names
}
