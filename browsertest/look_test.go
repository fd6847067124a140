package browsertest

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

var (
	update = flag.Bool("update", false, "write the pictures in testdata/looks anew")
	shots  = flag.String("shots", "", "write every picture that is made into this `folder`")
)

// A picture may differ from the one that is kept in so much of its area, and by so much in a colour
// before a point counts: fonts are drawn a little differently on every machine.
const (
	lawfulShare = 0.01
	lawfulStep  = 48
)

// picture is the whole page as it looks in a window that is as deep as the page, within reason.
func (p *tab) picture() image.Image {
	p.Helper()
	wide := eval[int64](p, `innerWidth`)
	p.do(chromedp.EmulateViewport(wide, eval[int64](p, `Math.min(document.documentElement.scrollHeight, 4000)`)))
	defer p.do(chromedp.EmulateViewport(wide, tall))
	shot := call(p, page.CaptureScreenshot, page.CaptureScreenshotParams{})
	picture, err := png.Decode(bytes.NewReader(shot.Data))
	if err != nil {
		p.Fatal(err)
	}
	return picture
}

// looks compares the page with the picture of that name in testdata/looks; with -update it is kept anew.
// A page that looks another way is written beside it.
func (p *tab) looks(name string) {
	p.Helper()
	got := coarse(p.picture())
	p.keep(got, name)
	path := filepath.Join("testdata", "looks", strings.ReplaceAll(name, "/", "-")+".png")
	if *update {
		write(p, path, got)
		return
	}
	file, err := os.Open(path)
	if err != nil {
		p.Errorf("%s: there is no picture to compare with: look at the page, then go test -update", name)
		return
	}
	defer file.Close()
	want, err := png.Decode(file)
	if err != nil {
		p.Fatalf("%s: %v", path, err)
	}
	if share := differs(got, want); share > lawfulShare {
		other := filepath.Join(os.TempDir(), "hissa-looks", filepath.Base(path))
		write(p, other, got)
		p.Errorf("%s looks another way in %.1f %% of its area: compare %s with %s", name, 100*share, other, path)
	}
}

// coarse leaves sixteen steps of each colour, which is all that is compared, and which packs to a third.
func coarse(picture image.Image) image.Image {
	out := flat(picture, picture.Bounds())
	known := map[color.RGBA]uint8{}
	palette := color.Palette{}
	for i := range out.Pix {
		out.Pix[i] = out.Pix[i]&0xf0 | out.Pix[i]>>4
	}
	small := image.NewPaletted(out.Bounds(), nil)
	for i := range small.Pix {
		c := color.RGBA{out.Pix[4*i], out.Pix[4*i+1], out.Pix[4*i+2], out.Pix[4*i+3]}
		at, is := known[c]
		if !is {
			if len(palette) == 256 {
				return out
			}
			at = uint8(len(palette))
			known[c], palette = at, append(palette, c)
		}
		small.Pix[i] = at
	}
	small.Palette = palette
	return small
}

// keep writes a picture into the folder that -shots names, if it names one.
func (p *tab) keep(picture image.Image, name string) {
	p.Helper()
	if *shots != "" {
		write(p, filepath.Join(*shots, strings.ReplaceAll(name, "/", "-")+".png"), picture)
	}
}

func write(t testing.TB, path string, picture image.Image) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&packed, picture); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// differs is the share of the larger picture's area in which two pictures are not alike.
func differs(a, b image.Image) float64 {
	whole := a.Bounds().Union(b.Bounds())
	left, right := flat(a, whole), flat(b, whole)
	unlike := 0
	for at := 0; at < len(left.Pix); at += 4 {
		for i := range 4 {
			if step := int(left.Pix[at+i]) - int(right.Pix[at+i]); step > lawfulStep || step < -lawfulStep {
				unlike++
				break
			}
		}
	}
	return float64(unlike) / float64(max(1, len(left.Pix)/4))
}

func flat(picture image.Image, bounds image.Rectangle) *image.RGBA {
	out := image.NewRGBA(bounds)
	draw.Draw(out, picture.Bounds(), picture, picture.Bounds().Min, draw.Src)
	return out
}

// codes are the QR codes that a phone's camera would read from the page, one text each.
func (p *tab) codes() []string {
	p.Helper()
	needs(p.TB, "zbarimg", "apt-get install zbar-tools")
	path := filepath.Join(p.TempDir(), "page.png")
	write(p, path, p.picture())
	out, err := exec.Command("zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", path).Output()
	if err != nil && len(out) > 0 {
		p.Fatalf("zbarimg: %v", err)
	}
	return strings.Fields(string(out))
}
