package inspect

// Matrix is who reaches whom: Allowed[i][j] says whether Pods[i] reaches Pods[j].
type Matrix struct {
	Pods    []string `json:"pods"` // namespace/name, sorted
	Allowed [][]bool `json:"allowed"`
}

// Matrix says which of the pods reaches which at a port.
func (n Nodes) Matrix(pods []Pod, port Port) Matrix {
	m := Matrix{Pods: []string{}, Allowed: [][]bool{}}
	for _, from := range pods {
		row := make([]bool, len(pods))
		for j, to := range pods {
			row[j] = n.Allowed(from, to, port)
		}
		m.Pods = append(m.Pods, from.Name)
		m.Allowed = append(m.Allowed, row)
	}
	return m
}
