# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
$sink = 0
def spin(n) = n.times { |i| $sink = ($sink + i * i) % 1000003 }
def b(n) = spin(n)
Fiber.new do
  stop = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 1
  b(20000) while Process.clock_gettime(Process::CLOCK_MONOTONIC) < stop
end.resume
