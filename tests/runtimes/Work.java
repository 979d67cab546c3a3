// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
public class Work {
	static long sink;
	static void spin(int n) { for (int i = 0; i < n; i++) sink = (sink + (long) i * i) % 1000003; }
	static void b(int n) { spin(n); sink++; }
	static void a(int n) { b(n); sink++; }
	public static void main(String[] args) {
		for (long end = System.currentTimeMillis() + 1000; System.currentTimeMillis() < end;)
			a(200000);
	}
}
