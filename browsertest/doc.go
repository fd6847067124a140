// Package browsertest looks at the built binary through a real browser: Debian's chromium, driven over
// its DevTools. A page counts as good when it does what it should and is silent: nothing on the console,
// nothing against its Content-Security-Policy, nothing asked for that it does not need.
//
// Start reading at browser_test.go (a tab that notices everything), then snippet_test.go.
package browsertest
