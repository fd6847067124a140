package main

import (
	"fmt"
	"io"
	"strings"

	"rsc.io/qr"
)

// writeQR draws a code in a terminal, two rows of it to a line, with the quiet border that scanners
// need. A terminal is told to show black on white; elsewhere the light squares are drawn, for dark
// backgrounds.
func writeQR(w io.Writer, code *qr.Code, terminal bool) {
	const border = 4
	halves := map[[2]bool]string{ // upper and lower square light
		{true, true}: "█", {true, false}: "▀", {false, true}: "▄", {false, false}: " ",
	}
	before, after := "", ""
	if terminal {
		before, after = "\x1b[97;40m", "\x1b[0m"
	}
	light := func(x, y int) bool {
		return x < 0 || y < 0 || x >= code.Size || y >= code.Size || !code.Black(x, y)
	}
	for y := -border; y < code.Size+border; y += 2 {
		var line strings.Builder
		for x := -border; x < code.Size+border; x++ {
			line.WriteString(halves[[2]bool{light(x, y), light(x, y+1)}])
		}
		fmt.Fprintf(w, "%s%s%s\n", before, line.String(), after)
	}
}
