// The console's own script: it listens to what changed and has the parts of the page that show it loaded again, keeps what a person
// is doing while that happens, and serves the keyboard. Without it every page still works.
"use strict";
(() => {
	const $ = (q, at = document) => at.querySelector(q);
	const all = (q, at = document) => [...at.querySelectorAll(q)];

	// What changed: each part of a page names its topics.
	const due = new Map();
	const heard = (topics) => {
		for (const part of all("[data-topics]")) {
			if (due.has(part) || !part.dataset.topics.split(" ").some((t) => topics.includes(t))) continue;
			due.set(part, setTimeout(() => {
				due.delete(part);
				if (part.isConnected && !document.hidden) htmx.trigger(part, "live");
				else if (part.isConnected) stale.add(part);
			}, 250));
		}
	};
	const stale = new Set();
	document.addEventListener("visibilitychange", () => {
		if (document.hidden) return;
		for (const part of stale) if (part.isConnected) htmx.trigger(part, "live");
		stale.clear();
	});

	const pulse = $("#pulse"), offline = $("#offline");
	let since = 0;
	const state = (on) => {
		if (!pulse) return;
		pulse.classList.toggle("off", !on);
		$(".word", pulse).textContent = on ? pulse.dataset.yes : pulse.dataset.no;
		offline.hidden = on;
	};
	if (pulse && window.EventSource) {
		const source = new EventSource("/events");
		let was = true;
		source.addEventListener("here", () => {
			since = Date.now();
			if (!was) { // something may have been missed
				for (const part of all("[data-topics]")) htmx.trigger(part, "live");
			}
			was = true;
			state(true);
		});
		source.addEventListener("news", (e) => { since = Date.now(); heard(JSON.parse(e.data)); });
		source.addEventListener("error", () => { was = false; });
		setInterval(() => { if (Date.now() - since > 45000 || source.readyState !== 1) { if (Date.now() - since > 4000) state(false); } }, 3000);
		addEventListener("pagehide", () => source.close());
		since = Date.now();
	}

	// A part that is loaded again keeps what was chosen, opened and written in it.
	let kept = null;
	document.addEventListener("htmx:beforeSwap", (e) => {
		const old = e.detail.target;
		if (!old || !old.matches || !old.matches("[data-topics]")) return;
		kept = {
			checked: all("input[type=checkbox]:checked", old).map((i) => [i.name, i.value]),
			open: all("details", old).map((d) => d.open),
			text: all("input:not([type=hidden]):not([type=checkbox]):not([type=radio]), textarea, select", old).filter((i) => i.name).map((i) => [i.name, i.value]),
			radio: all("input[type=radio]:checked", old).map((i) => [i.name, i.value]),
			focus: document.activeElement && old.contains(document.activeElement) ? [document.activeElement.name || "", document.activeElement.id] : null,
			id: old.id,
		};
	});
	document.addEventListener("htmx:afterSwap", () => {
		if (!kept) return;
		const k = kept;
		kept = null;
		const now = document.getElementById(k.id);
		if (!now) return;
		const count = all("details", now);
		if (count.length === k.open.length) count.forEach((d, i) => { d.open = k.open[i]; });
		const boxes = all("input[type=checkbox]", now);
		if (k.checked.length || boxes.some((b) => b.checked)) for (const b of boxes) b.checked = k.checked.some(([n, v]) => n === b.name && v === b.value);
		for (const [n, v] of k.radio) for (const r of all("input[type=radio]", now)) if (r.name === n && r.value === v) r.checked = true;
		const fields = all("input:not([type=hidden]):not([type=checkbox]):not([type=radio]), textarea, select", now).filter((i) => i.name);
		if (fields.length === k.text.length) fields.forEach((f, i) => { if (f.name === k.text[i][0]) f.value = k.text[i][1]; });
		if (k.focus) {
			const f = k.focus[1] ? document.getElementById(k.focus[1]) : fields.find((i) => i.name === k.focus[0]);
			if (f) f.focus({ preventScroll: true });
		}
		needs();
	});

	// The side sheet.
	const sheet = $("#sheet"), shade = $("#shade");
	let opener = null;
	const close = () => {
		if (!sheet || sheet.hidden) return false;
		sheet.hidden = shade.hidden = true;
		sheet.replaceChildren();
		document.body.classList.remove("sheeted");
		if (opener && opener.isConnected) opener.focus();
		return true;
	};
	document.addEventListener("htmx:beforeRequest", (e) => {
		if (e.detail.target === sheet && sheet.hidden) opener = document.activeElement;
	});
	document.addEventListener("htmx:afterSwap", (e) => {
		if (e.detail.target !== sheet) return;
		sheet.hidden = shade.hidden = false;
		document.body.classList.add("sheeted");
		const first = $("input:not([type=hidden]), button, a", sheet);
		if (first) first.focus();
	});
	if (shade) shade.addEventListener("click", close);
	document.addEventListener("click", (e) => {
		const x = e.target.closest("[data-close]");
		if (x && sheet && sheet.contains(x)) { e.preventDefault(); close(); }
	});
	// Tab stays in the sheet while it is open.
	if (sheet) sheet.addEventListener("keydown", (e) => {
		if (e.key !== "Tab") return;
		const can = all("a[href], button, input:not([type=hidden]), select, textarea, summary", sheet).filter((x) => x.offsetParent !== null);
		if (!can.length) return;
		const edge = e.shiftKey ? can[0] : can[can.length - 1];
		if (document.activeElement === edge) { e.preventDefault(); (e.shiftKey ? can[can.length - 1] : can[0]).focus(); }
	});

	// Choosing many.
	const needs = () => {
		for (const f of all("[data-bulk]")) {
			const n = all("input[name=t]:checked", f).length;
			for (const b of all("[data-needs]", f)) b.disabled = n === 0;
			f.classList.toggle("some", n > 0);
		}
	};
	document.addEventListener("change", (e) => {
		const box = e.target;
		if (box.matches("[data-all]")) for (const b of all("input[name=t]", box.closest("form"))) b.checked = box.checked;
		if (box.name === "host" && box.type === "checkbox") {
			const others = all("input[name=host][type=checkbox]", box.form);
			if (box.value === "*" && box.checked) others.forEach((o) => { if (o !== box) o.checked = false; });
			else if (box.checked) others.forEach((o) => { if (o.value === "*") o.checked = false; });
		}
		if (box.closest(".filters") && box.tagName === "SELECT" && box.form.method === "get") box.form.requestSubmit();
		needs();
	});
	needs();

	// Keys: "/" searches, Escape closes, j and k go through rows.
	document.addEventListener("keydown", (e) => {
		if (e.key === "Escape" && close()) { e.preventDefault(); return; }
		if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName)) return;
		const search = $("#search");
		if (e.key === "/" && search) { e.preventDefault(); search.focus(); }
		if (e.key === "j" || e.key === "k") {
			const rows = all("td.what > a, a.row, a.card.incident", $("#main"));
			if (!rows.length) return;
			const at = rows.indexOf(document.activeElement);
			rows[Math.max(0, Math.min(rows.length - 1, at + (e.key === "j" ? 1 : -1)))].focus();
		}
	});
})();
