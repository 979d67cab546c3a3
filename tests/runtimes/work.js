// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
let sink = 0;
function spin(n) { for (let i = 0; i < n; i++) sink = (sink + i * i) % 1000003; }
function b(n) { spin(n); sink++; }
function a(n) { b(n); sink++; }
const end = Date.now() + 1000;
while (Date.now() < end)
	a(200000);
