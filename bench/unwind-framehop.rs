// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
//! framehop's part of bench/unwind: reads the samples that it dumped, unwinds
//! them and writes the outcome.  unwind.c defines the format of both.
//!
//! unwind-framehop SAMPLES RUN

use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{ExplicitModuleSectionInfo, Module, Unwinder};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;

const FRAMES_MAX: usize = 1024;
const REGS: usize = 17;
const RBP: usize = 6;
const RSP: usize = 7;
const RIP: usize = 16;

type Data = &'static [u8];

// --- what libc has and std does not -------------------------------------------

#[repr(C)]
struct Timespec {
    sec: i64,
    nsec: i64,
}

extern "C" {
    fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
    fn mmap(addr: *mut u8, size: usize, prot: i32, flags: i32, fd: i32, offset: i64) -> *mut u8;
    fn getauxval(key: u64) -> u64;
}

fn cpu_ns() -> u64 {
    const CLOCK_PROCESS_CPUTIME_ID: i32 = 2;
    let mut t = Timespec { sec: 0, nsec: 0 };
    unsafe { clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    t.sec as u64 * 1_000_000_000 + t.nsec as u64
}

/// The whole file, mapped and never unmapped.
fn map_file(path: &str) -> Option<Data> {
    const PROT_READ: i32 = 1;
    const MAP_PRIVATE: i32 = 2;
    let file = File::open(path).ok()?;
    let meta = file.metadata().ok()?;
    if !meta.is_file() || meta.len() < 64 {
        return None;
    }
    let size = meta.len() as usize;
    let fd = file.as_raw_fd();
    unsafe {
        let data = mmap(std::ptr::null_mut(), size, PROT_READ, MAP_PRIVATE, fd, 0);
        (data as isize != -1).then(|| std::slice::from_raw_parts(data, size))
    }
}

/// The vDSO of this process; its section headers come last.
fn vdso() -> Option<Data> {
    const AT_SYSINFO_EHDR: u64 = 33;
    unsafe {
        let start = getauxval(AT_SYSINFO_EHDR) as *const u8;
        if start.is_null() {
            return None;
        }
        let head = std::slice::from_raw_parts(start, 64);
        let end = u64_at(head, 0x28)? + u64::from(u16_at(head, 0x3a)?) * u64::from(u16_at(head, 0x3c)?);
        Some(std::slice::from_raw_parts(start, end as usize))
    }
}

fn status_kb(key: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|l| l.starts_with(key));
    line.and_then(|l| l.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

// --- ELF files ------------------------------------------------------------------

fn bytes<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    bytes(data, at).map(u16::from_le_bytes)
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    bytes(data, at).map(u32::from_le_bytes)
}

fn u64_at(data: &[u8], at: usize) -> Option<u64> {
    bytes(data, at).map(u64::from_le_bytes)
}

struct Segment {
    executable: bool,
    offset: u64,
    vaddr: u64,
    size: u64,
}

#[derive(Clone, Copy, Default)]
struct Section {
    vaddr: u64,
    data: Option<Data>,
}

impl Section {
    fn range(&self) -> Option<std::ops::Range<u64>> {
        self.data.map(|d| self.vaddr..self.vaddr + d.len() as u64)
    }
}

#[derive(Default)]
struct Image {
    segments: Vec<Segment>,
    text: Section,
    got: Section,
    eh_frame: Section,
    eh_frame_hdr: Section,
    debug_frame: Section,
}

fn parse_image(data: Data) -> Option<Image> {
    const PT_LOAD: u32 = 1;
    const PF_X: u32 = 1;
    const SHT_NOBITS: u32 = 8;
    const SHF_COMPRESSED: u64 = 0x800;

    // 64 bits, little-endian, x86-64.
    if data.get(..6)? != b"\x7fELF\x02\x01" || u16_at(data, 0x12)? != 62 {
        return None;
    }
    let mut image = Image::default();
    let phoff = u64_at(data, 0x20)? as usize;
    for i in 0..u16_at(data, 0x38)? as usize {
        let at = phoff + i * u16_at(data, 0x36)? as usize;
        if u32_at(data, at)? == PT_LOAD {
            image.segments.push(Segment {
                executable: u32_at(data, at + 4)? & PF_X != 0,
                offset: u64_at(data, at + 8)?,
                vaddr: u64_at(data, at + 16)?,
                size: u64_at(data, at + 32)?,
            });
        }
    }
    let shoff = u64_at(data, 0x28)? as usize;
    let shsize = u16_at(data, 0x3a)? as usize;
    let names = u64_at(data, shoff + u16_at(data, 0x3e)? as usize * shsize + 24)? as usize;
    for i in 0..u16_at(data, 0x3c)? as usize {
        let at = shoff + i * shsize;
        if u32_at(data, at + 4)? == SHT_NOBITS || u64_at(data, at + 8)? & SHF_COMPRESSED != 0 {
            continue;
        }
        let name = data.get(names + u32_at(data, at)? as usize..)?;
        let section = match name.split(|&b| b == 0).next()? {
            b".text" => &mut image.text,
            b".got" => &mut image.got,
            b".eh_frame" => &mut image.eh_frame,
            b".eh_frame_hdr" => &mut image.eh_frame_hdr,
            b".debug_frame" => &mut image.debug_frame,
            _ => continue,
        };
        let offset = u64_at(data, at + 24)? as usize;
        section.vaddr = u64_at(data, at + 16)?;
        section.data = data.get(offset..offset + u64_at(data, at + 32)? as usize);
    }
    Some(image)
}

// --- the dump --------------------------------------------------------------------

struct Map {
    start: u64,
    end: u64,
    pgoff: u64,
    path: String,
}

struct Range {
    addr: u64,
    data: Data,
}

struct Sample {
    space: usize,
    ip: u64,
    sp: u64,
    bp: u64,
    ranges: Vec<Range>,
}

struct Dump {
    data: Data,
    at: usize,
}

impl Dump {
    fn u64(&mut self) -> u64 {
        self.at += 8;
        u64_at(self.data, self.at - 8).expect("the dump is cut")
    }

    fn bytes(&mut self) -> Data {
        let size = self.u64() as usize;
        let start = self.at;
        self.at += (size + 7) & !7;
        &self.data[start..start + size]
    }

    fn map(&mut self) -> Map {
        Map {
            start: self.u64(),
            end: self.u64(),
            pgoff: self.u64(),
            path: String::from_utf8_lossy(self.bytes()).into_owned(),
        }
    }

    fn maps(&mut self) -> Vec<Map> {
        (0..self.u64()).map(|_| self.map()).collect()
    }

    fn sample(&mut self) -> Sample {
        let space = self.u64() as usize;
        self.u64();
        let mut reg = [0; REGS];
        reg.iter_mut().for_each(|r| *r = self.u64());
        Sample {
            space,
            ip: reg[RIP],
            sp: reg[RSP],
            bp: reg[RBP],
            ranges: (0..self.u64()).map(|_| Range { addr: self.u64(), data: self.bytes() }).collect(),
        }
    }
}

// --- unwinding -------------------------------------------------------------------

struct Unwinders {
    spaces: Vec<Vec<Map>>,
    unwinders: Vec<Option<UnwinderX86_64<Data>>>, // by space, made when it is met
    images: HashMap<String, Option<Image>>,       // by path
    cache: CacheX86_64,
}

#[derive(Clone, Copy, Default)]
struct Outcome {
    hash: u64,
    nr: u32,
    complete: u32,
}

fn open_image(path: &str) -> Option<Image> {
    parse_image(if path == "[vdso]" { vdso() } else { map_file(path) }?)
}

fn new_unwinder(maps: &[Map], images: &mut HashMap<String, Option<Image>>) -> UnwinderX86_64<Data> {
    let mut unwinder = UnwinderX86_64::new();
    for map in maps {
        if !images.contains_key(&map.path) {
            images.insert(map.path.clone(), open_image(&map.path));
        }
        let Some(image) = &images[&map.path] else { continue };
        let shown = |s: &&Segment| {
            map.pgoff < s.offset + s.size && map.pgoff + (map.end - map.start) > s.offset
        };
        let mut segments = image.segments.iter().filter(shown);
        let Some(segment) = segments.clone().find(|s| s.executable).or(segments.next()) else { continue };
        let bias = map.start.wrapping_sub(map.pgoff).wrapping_add(segment.offset).wrapping_sub(segment.vaddr);
        let sections = ExplicitModuleSectionInfo {
            text_svma: image.text.range(),
            text: image.text.data,
            got_svma: image.got.range(),
            eh_frame_svma: image.eh_frame.range(),
            eh_frame: image.eh_frame.data,
            eh_frame_hdr_svma: image.eh_frame_hdr.range(),
            eh_frame_hdr: image.eh_frame_hdr.data,
            debug_frame: image.debug_frame.data,
            ..Default::default()
        };
        unwinder.add_module(Module::new(map.path.clone(), map.start..map.end, bias, sections));
    }
    unwinder
}

impl Unwinders {
    fn unwind(&mut self, sample: &Sample, frames: &mut Vec<u64>) -> bool {
        let unwinder = self.unwinders[sample.space]
            .get_or_insert_with(|| new_unwinder(&self.spaces[sample.space], &mut self.images));
        let mut read = |addr: u64| {
            for r in &sample.ranges {
                if let Some(word) = u64_at(r.data, addr.wrapping_sub(r.addr) as usize) {
                    return Ok(word);
                }
            }
            Err(())
        };
        let regs = UnwindRegsX86_64::new(sample.ip, sample.sp, sample.bp);
        let mut iter = unwinder.iter_frames(sample.ip, regs, &mut self.cache, &mut read);
        frames.clear();
        while frames.len() < FRAMES_MAX {
            match iter.next() {
                Ok(Some(frame)) => frames.push(frame.address()),
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
        false
    }

    /// All samples once; returns the CPU time.
    fn pass(&mut self, samples: &[Sample], mut outcomes: Option<&mut [Outcome]>) -> u64 {
        let mut frames = Vec::with_capacity(FRAMES_MAX);
        let start = cpu_ns();
        for (i, sample) in samples.iter().enumerate() {
            let complete = self.unwind(sample, &mut frames);
            if let Some(outcomes) = &mut outcomes {
                let hash = |h: u64, ip: &u64| (h ^ ip).wrapping_mul(0x100000001b3);
                outcomes[i] = Outcome {
                    hash: frames.iter().fold(0xcbf29ce484222325, hash),
                    nr: frames.len() as u32,
                    complete: complete as u32,
                };
            }
        }
        cpu_ns() - start
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, input, output] = &args[..] else { panic!("usage: unwind-framehop SAMPLES RUN") };
    let data = map_file(input).expect("cannot read the samples");
    let mut dump = Dump { data, at: 0 };
    let spaces: Vec<_> = (0..dump.u64()).map(|_| dump.maps()).collect();
    let samples: Vec<_> = (0..dump.u64()).map(|_| dump.sample()).collect();
    let mut unwinders = Unwinders {
        unwinders: vec![None; spaces.len()],
        spaces,
        images: HashMap::new(),
        cache: CacheX86_64::new(),
    };

    // Touched before the clock runs, as in unwind.c.
    let touched = data.iter().step_by(4096).fold(0u64, |sum, &b| sum + u64::from(b));
    std::hint::black_box(touched);

    let rss = status_kb("VmRSS:");
    let first = unwinders.pass(&samples, None);
    let rss_first = status_kb("VmHWM:") - rss;
    let later = unwinders.pass(&samples, None);
    let rss_later = status_kb("VmHWM:") - rss;
    let mut outcomes = vec![Outcome::default(); samples.len()];
    unwinders.pass(&samples, Some(&mut outcomes));

    let mut out = Vec::new();
    for word in [first, later, rss_first, rss_later] {
        out.extend(word.to_le_bytes());
    }
    for o in outcomes {
        out.extend(o.hash.to_le_bytes());
        out.extend(o.nr.to_le_bytes());
        out.extend(o.complete.to_le_bytes());
    }
    let file = OpenOptions::new().write(true).open(output);
    file.and_then(|mut f| f.write_all(&out)).expect("cannot write the results");
}
