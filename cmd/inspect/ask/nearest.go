package ask

// Nearest returns the name that differs least from one that is misspelt; empty if none is like it.
func Nearest(name string, known []string) string {
	best, fewest := "", 1+max(1, len(name)/3)
	for _, k := range known {
		if d := distance(name, k); d > 0 && d < fewest {
			best, fewest = k, d
		}
	}
	return best
}

// distance is how many letters have to be added, taken away, replaced or swapped with their
// neighbour to make one text of another.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replaced := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, replaced)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
