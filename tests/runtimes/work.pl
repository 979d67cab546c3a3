# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
my $sink = 0;
sub spin { for my $i (1 .. $_[0]) { $sink = ($sink + $i * $i) % 1000003 } }
sub b { spin($_[0]); $sink++ }
my $end = time + 1.5;
b(20000) while time < $end;
