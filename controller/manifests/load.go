package manifests

import "fmt"

// Load reads a folder or a file once. The error says that the path itself cannot
// be read; what is wrong inside of it is in the Problems, sorted.
func Load(path string) (Objects, []Problem, error) {
	src, err := newSource(path)
	if err != nil {
		return Objects{}, nil, err
	}
	names, err := src.names()
	if err != nil {
		return Objects{}, nil, fmt.Errorf("read manifests: %w", err)
	}
	s := newState()
	for _, name := range names {
		data, _, err := src.read(name)
		if err != nil && src.only != "" {
			return Objects{}, nil, fmt.Errorf("read manifests: %w", err)
		}
		s.take(src.file(name), data, err)
	}
	u, _ := s.update()
	return gather(u), u.Problems, nil
}
