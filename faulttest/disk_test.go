package faulttest

const inNamespace = "HISSA_FAULTTEST_BINARY"
