"use strict";
/*
 * Draws the tree in #data. Nodes stand there as ustack wrote them: for each, how far
 * before it its parent is (0: it is a thread), what it is (of funcs, or of threads)
 * and what it holds itself. From these a tree of what is to be seen is made: threads
 * of one name together or not, from the outermost function or from the innermost.
 * Only rows that are in sight become elements.
 */
const data = JSON.parse(document.getElementById("data").textContent);
const [USER, INLINED, KERNEL, MARK] = [0, 1, 2, 3];
const ROW = 20;
const LEAST = 0.5;		// px: what is narrower is not drawn
const $ = id => document.getElementById(id);
const compared = !!data.before;
const state = { inverted: false, byThread: false, before: false, zoom: 0, chosen: 0 };

// --- what a node is called -------------------------------------------------------

const comms = [...new Set(data.threads.map(t => t[0]))];
const FUNCS = data.funcs.length, COMMS = FUNCS + data.threads.length;
const commOf = data.threads.map(t => COMMS + comms.indexOf(t[0]));
const ALL = COMMS + comms.length;

// Of a func, a thread, the name of threads, or all.
function nameOf(key) {
	if (key < FUNCS)
		return data.funcs[key][0];
	if (key < COMMS) {
		const [comm, pid, tid] = data.threads[key - FUNCS];
		return pid === tid ? `${comm} ${pid}` : `${comm} ${pid}/${tid}`;
	}
	return key < ALL ? comms[key - COMMS] : "all";
}

function baseOf(path) {
	return path.slice(path.lastIndexOf("/") + 1);
}

function isJit(path) {
	return /^(perf-[0-9]+\.map|jit-[0-9]+\.dump|jitted-[0-9]+-.*)$/.test(baseOf(path));
}

// --- the tree --------------------------------------------------------------------

class Tree {
	constructor() {
		this.parent = [-1];
		this.key = [ALL];
		this.own = [[0], [0]];		// now and before
		this.index = new Map();
	}

	child(parent, key) {
		const at = parent * (ALL + 1) + key;
		let n = this.index.get(at);
		if (n === undefined) {
			n = this.parent.push(parent) - 1;
			this.key.push(key);
			this.own[0].push(0);
			this.own[1].push(0);
			this.index.set(at, n);
		}
		return n;
	}

	// Totals, and the children of each, once all nodes are there.
	finish() {
		const nr = this.parent.length;
		this.index = null;
		this.total = this.own.map(own => Float64Array.from(own));
		this.first = new Int32Array(nr).fill(-1);
		this.next = new Int32Array(nr).fill(-1);
		for (let n = nr - 1; n > 0; n--) {
			const p = this.parent[n];
			this.total[0][p] += this.total[0][n];
			this.total[1][p] += this.total[1][n];
			this.next[n] = this.first[p];
			this.first[p] = n;
		}
		this.sorted = new Map();
		return this;
	}

	children(n) {
		let list = this.sorted.get(n);
		if (!list) {
			list = [];
			for (let c = this.first[n]; c >= 0; c = this.next[c])
				list.push(c);
			list.sort((a, b) => rank[this.key[a]] - rank[this.key[b]]);
			this.sorted.set(n, list);
		}
		return list;
	}

	path(n) {
		const list = [];
		for (; n >= 0; n = this.parent[n])
			list.push(n);
		return list.reverse();
	}
}

const rank = new Int32Array(ALL + 1);
Array.from(rank.keys()).map(key => [nameOf(key), key])
	.sort((a, b) => a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] - b[1])
	.forEach(([, key], i) => { rank[key] = i; });

function threadKey(i) {
	return state.byThread ? FUNCS + data.what[i] : commOf[data.what[i]];
}

function fromOutermost() {
	const tree = new Tree(), at = new Int32Array(data.up.length);
	data.up.forEach((up, i) => {
		const n = up ? tree.child(at[i - up], data.what[i]) : tree.child(0, threadKey(i));
		at[i] = n;
		tree.own[0][n] += data.self[i];
		tree.own[1][n] += compared ? data.before[i] : 0;
	});
	return tree.finish();
}

function fromInnermost() {
	const tree = new Tree();
	for (let i = 0; i < data.up.length; i++) {
		const now = data.self[i], before = compared ? data.before[i] : 0;
		if (!now && !before)
			continue;
		let n = 0, j = i;
		for (; data.up[j]; j -= data.up[j])
			n = tree.child(n, data.what[j]);
		n = tree.child(n, threadKey(j));
		tree.own[0][n] += now;
		tree.own[1][n] += before;
	}
	return tree.finish();
}

let tree;
const trees = new Map();

function makeTree() {
	const kind = `${state.inverted} ${state.byThread}`;
	tree = trees.get(kind);
	if (!tree) {
		tree = state.inverted ? fromInnermost() : fromOutermost();
		trees.set(kind, tree);
	}
	most = 0;
	if (compared)
		for (let n = 1; n < tree.parent.length; n++)
			most = Math.max(most, Math.abs(change(n)));
	state.zoom = state.chosen = 0;
}

// --- numbers ---------------------------------------------------------------------

let most = 0;				// the largest change of all

function share(n, turn) {
	const all = tree.total[turn][0];
	return all ? tree.total[turn][n] / all : 0;
}

function change(n) {
	return share(n, 0) - share(n, 1);
}

function time(ns) {
	for (const [unit, size] of [["s", 1e9], ["ms", 1e6], ["µs", 1e3]])
		if (ns >= size)
			return `${(ns / size).toPrecision(3).replace(/e\+?.*/, "")} ${unit}`.replace(/^([\d.]+) s$/, () =>
				`${(ns / 1e9).toFixed(ns < 1e10 ? 2 : ns < 1e11 ? 1 : 0)} s`);
	return `${ns} ns`;
}

function amount(value) {
	if (data.unit === "nanoseconds")
		return time(value);
	const text = value.toLocaleString("en");
	if (data.unit === "samples")
		return `${text} ${value === 1 ? "sample" : "samples"}` +
			(data.sampleTime ? `, ${time(value * data.sampleTime)}` : "");
	return text;
}

function percent(part) {
	return `${(100 * part).toFixed(2)} %`;
}

// --- colours ---------------------------------------------------------------------

function hash(text) {
	let h = 2166136261;
	for (let i = 0; i < text.length; i++)
		h = Math.imul(h ^ text.charCodeAt(i), 16777619);
	return (h >>> 8) % 1000 / 1000;
}

// Hue by module, so that what belongs together looks alike; lightness by function.
const paint = new Array(ALL + 1);

function colour(key) {
	if (paint[key])
		return paint[key];
	let h = 265, s = 16, l = 4;
	if (key < FUNCS) {
		const [name, path, kind] = data.funcs[key];
		l = (hash(name) - 0.5) * 7;
		if (kind === MARK)
			[h, s] = [0, 0];
		else if (kind === KERNEL)
			[h, s] = [205 + 20 * hash(path), 55];
		else if (isJit(path))
			[h, s] = [140, 40];
		else
			[h, s] = [14 + 44 * hash(baseOf(path)), 68];
	}
	return paint[key] = `--h:${h.toFixed(0)};--s:${s}%;--l:${l.toFixed(1)}%`;
}

// Red: a larger part than before, blue: a smaller one.
function changeColour(n) {
	const c = most ? change(n) / most : 0, strength = Math.sqrt(Math.abs(c));
	return `--h:${c > 0 ? 8 : 212};--s:${(85 * strength).toFixed(0)}%;--l:calc(${(10 * (1 - strength)).toFixed(0)}% + var(--shift))`;
}

function escaped(text) {
	return text.replace(/[&<>"]/g, c => `&#${c.charCodeAt(0)};`);
}

function legend() {
	const swatch = (style, text, kind = "") =>
		`<span><i class="${kind}" style="background-color:hsl(var(--h) var(--s) calc(var(--light) + var(--l)));${style}"></i>${text}</span>`;
	const parts = [];
	if (compared) {
		parts.push(swatch("--h:8;--s:85%;--l:0%", "a larger part than before"),
			swatch("--h:0;--s:0%;--l:10%", "as before"),
			swatch("--h:212;--s:85%;--l:0%", "a smaller part"));
	} else {
		const has = test => data.funcs.some(test);
		parts.push(swatch("--h:30;--s:68%;--l:0%", "programs and libraries"));
		if (has(f => f[2] === INLINED))
			parts.push(swatch("--h:30;--s:68%;--l:0%", "inlined", "inlined"));
		if (has(f => isJit(f[1])))
			parts.push(swatch("--h:140;--s:40%;--l:0%", "compiled at run time"));
		if (has(f => f[2] === KERNEL))
			parts.push(swatch("--h:215;--s:55%;--l:0%", "kernel"));
		parts.push(swatch("--h:265;--s:16%;--l:4%", "threads"));
	}
	$("legend").innerHTML = parts.join("");
}

// --- search ----------------------------------------------------------------------

let matches = null;			// by key

function search(text) {
	const regex = /^\/(.+)\/$/.exec(text);
	let test = null;
	$("search").classList.remove("bad");
	if (regex) {
		try {
			const r = new RegExp(regex[1], "i");
			test = name => r.test(name);
		} catch {
			$("search").classList.add("bad");
		}
	} else if (text) {
		const part = text.toLowerCase();
		test = name => name.toLowerCase().includes(part);
	}
	matches = test && Uint8Array.from({ length: ALL }, (_, key) => test(nameOf(key)));
	show();
}

// The part of what is in sight that is below a match, none of it twice.
function matched() {
	const turn = state.before ? 1 : 0, todo = [state.zoom];
	let sum = 0;
	if (tree.path(state.zoom).some(n => n && matches[tree.key[n]]))
		return 1;
	while (todo.length) {
		const n = todo.pop();
		if (n && matches[tree.key[n]])
			sum += tree.total[turn][n];
		else
			for (let c = tree.first[n]; c >= 0; c = tree.next[c])
				todo.push(c);
	}
	return tree.total[turn][state.zoom] ? sum / tree.total[turn][state.zoom] : 0;
}

// --- what is drawn ---------------------------------------------------------------

let rows = [];				// of [node, left, width], in parts of the whole width
let around = 0;				// how many of them lead to what is zoomed in on

function layout() {
	const turn = state.before ? 1 : 0, total = tree.total[turn];
	const least = LEAST / Math.max(1, $("graph").clientWidth);
	const above = tree.path(state.zoom);
	around = above.length - 1;
	rows = above.map(n => [[n, 0, 1]]);
	const todo = [[state.zoom, 0, 1, above.length]];
	while (todo.length) {
		const [n, left, width, depth] = todo.pop();
		let x = left;
		for (const c of tree.children(n)) {
			const w = total[n] ? width * total[c] / total[n] : 0;
			if (w >= least) {
				(rows[depth] ||= []).push([c, x, w]);
				todo.push([c, x, w, depth + 1]);
			}
			x += w;
		}
	}
}

function box([n, x, w], depth) {
	const key = tree.key[n], wide = w * $("graph").clientWidth >= 18;
	const kinds = [wide ? "text" : ""];
	if (key < FUNCS && data.funcs[key][2] === INLINED)
		kinds.push("inlined");
	if (n && matches?.[key])
		kinds.push("found");
	if (depth < around)
		kinds.push("around");
	if (n === state.chosen && n)
		kinds.push("chosen");
	const edge = state.inverted ? "top" : "bottom";
	const colours = compared && n ? changeColour(n) : colour(key);
	return `<div data-n="${n}" class="${kinds.join(" ").trim()}" style="left:${(100 * x).toFixed(4)}%;` +
		`width:${(100 * w).toFixed(4)}%;${edge}:${depth * ROW}px;${colours}">${wide ? escaped(nameOf(key)) : ""}</div>`;
}

// The rows in sight, and some around.
function draw() {
	const view = $("view"), graph = $("graph"), height = Math.max(rows.length * ROW, view.clientHeight);
	graph.style.height = `${height}px`;
	const top = view.scrollTop, bottom = top + view.clientHeight;
	const [low, high] = state.inverted ? [top, bottom] : [height - bottom, height - top];
	const from = Math.max(0, Math.floor(low / ROW) - 20), to = Math.min(rows.length, Math.ceil(high / ROW) + 20);
	const html = [];
	for (let depth = from; depth < to; depth++)
		for (const b of rows[depth] ?? [])
			html.push(box(b, depth));
	graph.innerHTML = html.join("");
}

function show() {
	layout();
	draw();
	$("found").textContent = matches ? percent(matched()) : "";
	$("reset").disabled = !state.zoom;
	for (const [id, on] of [["inverted", state.inverted], ["by-thread", state.byThread], ["before", state.before]])
		$(id).setAttribute("aria-pressed", on);
	details(state.chosen);
}

// The end where the outermost row is.
function toRoot() {
	const view = $("view");
	view.scrollTop = state.inverted ? 0 : view.scrollHeight;
}

function details(n) {
	const key = tree.key[n], [, path, , file] = key < FUNCS ? data.funcs[key] : [];
	const line = (turn, text) =>
		`${text}${amount(tree.total[turn][n])}, ${percent(share(n, turn))}` +
		(tree.own[turn][n] && !state.inverted ? `; itself ${amount(tree.own[turn][n])}, ${percent(tree.own[turn][n] / tree.total[turn][0])}` : "");
	let text = `<div><b>${escaped(nameOf(key))}</b> `;
	if (path)
		text += `<span>in ${escaped(path)}</span> `;
	if (file)
		text += `<span>(${escaped(file)})</span> `;
	text += `</div><div class=numbers>${line(0, compared ? "after: " : "")}`;
	if (compared)
		text += ` · ${line(1, "before: ")} · change: ${change(n) >= 0 ? "+" : "−"}${percent(Math.abs(change(n)))}`;
	$("details").innerHTML = text + "</div>";
}

function zoom(n) {
	state.zoom = state.chosen = n;
	show();
}

// --- events ----------------------------------------------------------------------

function nodeAt(event) {
	const box = event.target.closest("[data-n]");
	return box ? +box.dataset.n : -1;
}

function toggle(name) {
	state[name] = !state[name];
	if (name !== "before")
		makeTree();
	show();
	toRoot();
	draw();
}

function setTheme(dark) {
	document.documentElement.dataset.theme = dark ? "dark" : "light";
	$("theme").textContent = dark ? "Light" : "Dark";
}

function main() {
	setTheme(matchMedia("(prefers-color-scheme: dark)").matches);
	const from = compared ? `${data.beforeFile} and ${data.file}` : data.file;
	document.title = `${from}: flame graph`;
	$("title").textContent = from;
	$("facts").textContent = (compared ? `${data.beforeSamples.toLocaleString("en")} and ` : "") +
		`${data.samples.toLocaleString("en")} samples of ${data.event}`;
	$("by-thread").hidden = compared;
	$("before").hidden = !compared;
	makeTree();
	legend();
	show();
	toRoot();
	draw();
	$("graph").onclick = event => { const n = nodeAt(event); if (n >= 0) zoom(n); };
	$("graph").onmouseover = event => { const n = nodeAt(event); if (n >= 0) details(n); };
	$("graph").onmouseleave = () => details(state.chosen);
	$("inverted").onclick = () => toggle("inverted");
	$("by-thread").onclick = () => toggle("byThread");
	$("before").onclick = () => toggle("before");
	$("reset").onclick = () => zoom(0);
	$("theme").onclick = () => setTheme(document.documentElement.dataset.theme !== "dark");
	$("search").oninput = () => search($("search").value);
	$("tools").onsubmit = event => event.preventDefault();
	$("view").onscroll = () => requestAnimationFrame(draw);
	window.onresize = () => requestAnimationFrame(show);
	document.onkeydown = event => {
		if (event.key === "/" && document.activeElement !== $("search")) {
			event.preventDefault();
			$("search").focus();
		} else if (event.key === "Escape" && document.activeElement === $("search") && $("search").value) {
			$("search").value = "";
			search("");
		} else if (event.key === "Escape") {
			zoom(0);
		}
	};
}

main();
