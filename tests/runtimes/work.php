<?php // SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
$sink = 0;
function spin($n) { global $sink; for ($i = 0; $i < $n; $i++) $sink = ($sink + $i * $i) % 1000003; }
function b($n) { spin($n); global $sink; $sink++; }
$fiber = new Fiber(function () {
	for ($end = microtime(true) + 1; microtime(true) < $end;)
		b(20000);
});
$fiber->start();
