package web

import (
	"fmt"
	"html/template"
	"strings"

	"rsc.io/qr"
)

const quiet = 4 // squares of light border that scanners need

// QRPNG draws a text as a QR to print or to send.
func QRPNG(text string) ([]byte, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, err
	}
	code.Scale = 12
	return code.PNG(), nil
}

// QRSVG draws it as a picture of any size: a path that runs along the dark squares of each row.
func QRSVG(text string) ([]byte, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, err
	}
	side := code.Size + 2*quiet
	var svg strings.Builder
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" class="qr" viewBox="0 0 %d %d" `+
		`shape-rendering="crispEdges"><path fill="#fff" d="M0 0h%dv%dH0z"/><path stroke="#000" d="`,
		side, side, side, side)
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			run := 0
			for x+run < code.Size && code.Black(x+run, y) {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&svg, "M%d %d.5h%d", x+quiet, y+quiet, run)
				x += run
			}
		}
	}
	svg.WriteString(`"/></svg>`)
	return []byte(svg.String()), nil
}

// drawQR is the picture within a page. A text too long for a code has none.
func drawQR(text string) (template.HTML, error) {
	svg, err := QRSVG(text)
	if err != nil {
		return "", nil // the text itself stands beside the picture, to be copied
	}
	return template.HTML(svg), nil
}
