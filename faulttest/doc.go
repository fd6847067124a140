// Package faulttest breaks things under the built binary, on purpose: processes killed, power cut,
// disks that refuse and lie, files damaged, clocks turned. Whatever hissa acknowledged has to be in
// its books once, whole, afterwards. Every test has a control: a binary weakened in one place, or
// a fault that nothing could survive, at which the same test has to cry out.
//
// Start reading at shop_test.go (a shop that pays and checks its books), then kill_test.go.
package faulttest
