// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// main, a, b, spin
package main

import "time"

var sink uint64

//go:noinline
func spin(n uint64) {
	for i := uint64(0); i < n; i++ {
		sink += i
	}
}

//go:noinline
func b(n uint64) {
	spin(n)
	sink++
}

//go:noinline
func a(n uint64) {
	b(n)
	sink++
}

func main() {
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		a(1000000)
	}
}
