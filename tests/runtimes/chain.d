// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// main, a, b, spin
import core.stdc.time;
import gcc.attributes;

__gshared ulong sink;

@attribute("noinline") void spin(ulong n)
{
    for (ulong i = 0; i < n; i++)
        *cast(shared ulong*) &sink = sink + i;
}

@attribute("noinline") void b(ulong n)
{
    spin(n);
    sink++;
}

@attribute("noinline") void a(ulong n)
{
    b(n);
    sink++;
}

void main()
{
    for (auto end = clock() + 1_000_000; clock() < end;)
        a(1_000_000);
}
