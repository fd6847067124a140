module hissa/faulttest

go 1.26.0

require hissa v0.0.0

replace hissa => ../
