-- SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
local sink = 0
local function spin(n) for i = 1, n do sink = (sink + i * i) % 1000003 end end
local function b(n) spin(n) sink = sink + 1 end
local function a(n) b(n) sink = sink + 1 end
local stop = os.clock() + 1
while os.clock() < stop do a(200000) end
