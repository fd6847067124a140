package peer

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Binding says that an order came with a click, and whose link was clicked.
type Binding struct{ OrderID, ClickID, Partner string }

// readBindings reads a line for each binding: the three names, separated by tabs.
func readBindings(r io.Reader) ([]Binding, error) {
	var bindings []Binding
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		parts := strings.Split(lines.Text(), "\t")
		if len(parts) != 3 {
			return nil, fmt.Errorf("line %d has %d parts: write order id, click id and partner, "+
				"separated by tabs", len(bindings)+1, len(parts))
		}
		bindings = append(bindings, Binding{parts[0], parts[1], parts[2]})
	}
	return bindings, lines.Err()
}
