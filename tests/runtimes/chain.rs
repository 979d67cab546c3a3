// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// main, a, b, spin
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

static SINK: AtomicU64 = AtomicU64::new(0);

#[inline(never)]
fn spin(n: u64) {
    for i in 0..n {
        SINK.fetch_add(i, Ordering::Relaxed);
    }
}

#[inline(never)]
fn b(n: u64) {
    spin(n);
    SINK.fetch_add(1, Ordering::Relaxed);
}

#[inline(never)]
fn a(n: u64) {
    b(n);
    SINK.fetch_add(1, Ordering::Relaxed);
}

fn main() {
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end {
        a(100000);
    }
}
