package main

var demoCommand = command{name: "demo", run: func(c *call) error { return nil }}
