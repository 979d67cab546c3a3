// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// main and a of Go's; b and spin are C's, on another stack.
package main

/*
volatile unsigned long sink;
__attribute__((noinline)) void spin(unsigned long n) { for (unsigned long i = 0; i < n; i++) sink += i; }
__attribute__((noinline)) void b(unsigned long n) { spin(n); sink++; }
*/
import "C"
import "time"

//go:noinline
func a(n C.ulong) {
	C.b(n)
}

func main() {
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		a(1000000)
	}
}
