package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// verdict is what of a report of Lighthouse is of use here.
type verdict struct {
	Audits map[string]struct {
		NumericValue float64 `json:"numericValue"`
	} `json:"audits"`
	Environment struct {
		BenchmarkIndex float64 `json:"benchmarkIndex"`
	} `json:"environment"`
}

// judged lets Lighthouse, with its own mobile profile, say when each page is first painted.
func judged(front *httptest.Server, pages []string, tries int, most time.Duration) error {
	program, err := filepath.Abs("testdata/lighthouse/node_modules/.bin/lighthouse")
	if err != nil {
		return err
	}
	if _, err := os.Stat(program); err != nil {
		return fmt.Errorf("%w: npm ci --ignore-scripts --prefix testdata/lighthouse", err)
	}
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		return fmt.Errorf("%w: apt-get install chromium", err)
	}
	fmt.Printf("%d tries each by Lighthouse, as the phone of its own mobile profile\n\n", tries)
	fmt.Printf("%-18s %9s %9s %9s\n", "page", "median", "least", "most")
	late := false
	var index float64
	for _, page := range append([]string{""}, pages...) {
		var times []time.Duration
		for range tries {
			v, err := lighthouse(program, chromium, front.URL+pathOf(page))
			if err != nil {
				return fmt.Errorf("%s: %w", page, err)
			}
			ms := v.Audits["first-contentful-paint"].NumericValue
			times, index = append(times, time.Duration(ms*float64(time.Millisecond))), v.Environment.BenchmarkIndex
		}
		slices.Sort(times)
		late = tell(page, times, most) || late
	}
	fmt.Printf("\nindex %.0f\n", index)
	if late {
		return errLate
	}
	return nil
}

func lighthouse(program, chromium, address string) (v verdict, err error) {
	command := exec.Command(program, address, "--quiet", "--output=json", "--only-audits=first-contentful-paint",
		"--chrome-flags=--headless --no-sandbox --disable-gpu --ignore-certificate-errors")
	command.Env = append(os.Environ(), "CHROME_PATH="+chromium)
	report, err := command.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return v, fmt.Errorf("%w\n%s", err, failed.Stderr)
	}
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(report, &v); err != nil {
		return v, err
	}
	if v.Audits["first-contentful-paint"].NumericValue <= 0 {
		return v, errors.New("lighthouse saw no paint")
	}
	return v, nil
}
