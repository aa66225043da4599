// The console's own script: it hears what changed and loads the parts of the page that show it again, keeps what a person is doing
// while that happens, opens the side sheet, and serves the keyboard. Without it every page still works.
"use strict";
(() => {
	const $ = (q, at = document) => at.querySelector(q);
	const all = (q, at = document) => [...at.querySelectorAll(q)];
	const named = (id) => document.getElementById(id);

	// A part of a page has an id. Requests for one part do not overtake each other: what was asked for before something newer is
	// thrown away, and nothing is loaded while an answer to a person is on its way.
	const turns = new Map(), busy = new Map(), again = new Set(), lately = new Map();
	const ask = async (id, url, body) => {
		const turn = (turns.get(id) || 0) + 1, start = performance.now();
		turns.set(id, turn);
		busy.set(id, (busy.get(id) || 0) + 1);
		try {
			const answer = await fetch(url, { method: body ? "POST" : "GET", body, headers: { "Deminer-Into": id }, credentials: "same-origin", redirect: "follow" });
			const to = answer.headers.get("Deminer-Go");
			if (to) { location.assign(to); return; }
			if (answer.status === 401) { location.reload(); return; }
			const text = await answer.text();
			if (turns.get(id) === turn) swap(id, new DOMParser().parseFromString(text, "text/html"));
			changedSince(start);
		} catch {
			if (body) state(false);
		} finally {
			busy.set(id, busy.get(id) - 1);
			rest();
		}
	};
	const swap = (id, page) => {
		if (id === "sheet") { show(page.body); return; }
		const old = named(id), fresh = page.getElementById(id);
		if (!old) return;
		if (!fresh) { // what went wrong, in words
			if (page.body.textContent.trim()) { if (sheet && sheet.contains(old)) show(page.body); else old.replaceChildren(...page.body.childNodes); }
			return;
		}
		const kept = keep(old);
		old.replaceWith(fresh);
		restore(named(id), kept);
		for (const other of ["nopen", "nmining"]) {
			const now = page.getElementById(other);
			if (now && named(other)) named(other).replaceWith(now);
		}
	};

	// What changed: parts name their topics. What changed while a part was on its way may not be in it, so it is loaded once more.
	const due = new Set();
	const load = (id) => {
		if (due.has(id)) return;
		due.add(id);
		setTimeout(() => {
			due.delete(id);
			const part = named(id);
			if (!part) return;
			if (document.hidden || busy.get(id)) again.add(id);
			else ask(id, part.dataset.from);
		}, 200);
	};
	const rest = () => { for (const id of again) if (!busy.get(id)) { again.delete(id); load(id); } };
	const parts = () => all("[data-topics]").map((part) => [part.id, part.dataset.topics.split(" ")]);
	const heard = (topics) => {
		const now = performance.now();
		if (lately.size > 5000) lately.clear();
		for (const t of topics) lately.set(t, now);
		for (const [id, mine] of parts()) if (topics.includes("*") || mine.some((t) => topics.includes(t))) load(id);
	};
	const changedSince = (start) => { for (const [id, mine] of parts()) if (mine.some((t) => lately.get(t) >= start)) load(id); };
	document.addEventListener("visibilitychange", () => { if (!document.hidden) rest(); });

	const pulse = $("#pulse"), offline = $("#offline");
	const state = (on) => {
		if (!pulse) return;
		pulse.classList.toggle("off", !on);
		$(".word", pulse).textContent = on ? pulse.dataset.yes : pulse.dataset.no;
		offline.hidden = on;
	};
	if (pulse && window.EventSource) {
		const source = new EventSource("/events?since=" + encodeURIComponent(document.body.dataset.mark));
		let since = Date.now();
		source.addEventListener("here", () => { since = Date.now(); state(true); });
		source.addEventListener("news", (e) => { since = Date.now(); state(true); heard(JSON.parse(e.data)); });
		setInterval(() => { if (Date.now() - since > (source.readyState === 1 ? 45000 : 4000)) state(false); }, 2000);
		addEventListener("pagehide", () => source.close());
	}

	// A part that is loaded again keeps what was chosen, opened and written in it.
	const fields = (at) => all("input:not([type=hidden]):not([type=checkbox]):not([type=radio]), textarea, select", at).filter((i) => i.name);
	const keep = (old) => ({
		checked: all("input[type=checkbox]", old).map((i) => [i.name, i.value, i.checked]),
		radio: all("input[type=radio]:checked", old).map((i) => [i.name, i.value]),
		open: all("details", old).map((d) => d.open),
		text: fields(old).map((i) => [i.name, i.value]),
		focus: old.contains(document.activeElement) ? [document.activeElement.id, document.activeElement.getAttribute("name"), document.activeElement.getAttribute("href")] : null,
	});
	const restore = (now, kept) => {
		const boxes = all("input[type=checkbox]", now);
		for (const b of boxes) {
			const was = kept.checked.find(([n, v]) => n === b.name && v === b.value);
			if (was) b.checked = was[2];
		}
		for (const [n, v] of kept.radio) for (const r of all("input[type=radio]", now)) if (r.name === n && r.value === v) r.checked = true;
		const folds = all("details", now);
		if (folds.length === kept.open.length) folds.forEach((d, i) => { d.open = kept.open[i]; });
		const texts = fields(now);
		if (texts.length === kept.text.length) texts.forEach((f, i) => { if (f.name === kept.text[i][0]) f.value = kept.text[i][1]; });
		if (kept.focus) {
			const [id, name, href] = kept.focus;
			const f = (id && named(id)) || all("input, select, textarea, button, a", now).find((e) => (name && e.getAttribute("name") === name) || (href && e.getAttribute("href") === href));
			if (f) f.focus({ preventScroll: true });
		}
		needs();
	};

	// The side sheet.
	const sheet = $("#sheet"), shade = $("#shade");
	let opener = null;
	const show = (body) => {
		const was = sheet.hidden;
		sheet.replaceChildren(...body.childNodes);
		sheet.hidden = shade.hidden = false;
		document.body.classList.add("sheeted");
		if (was) sheet.scrollTop = 0;
		const first = $("input:not([type=hidden]), button.primary, button, a", sheet);
		if (first) first.focus({ preventScroll: true });
	};
	const close = () => {
		if (!sheet || sheet.hidden) return false;
		sheet.hidden = shade.hidden = true;
		sheet.replaceChildren();
		document.body.classList.remove("sheeted");
		if (opener && opener.isConnected) opener.focus();
		return true;
	};
	if (shade) shade.addEventListener("click", close);
	document.addEventListener("click", (e) => {
		const x = e.target.closest("[data-close], a[data-sheet]");
		if (!x || !sheet || e.ctrlKey || e.metaKey || e.shiftKey || e.button) return;
		if (x.matches("[data-close]")) { if (close()) e.preventDefault(); return; }
		e.preventDefault();
		if (sheet.hidden) opener = x;
		ask("sheet", x.getAttribute("href"));
	});
	document.addEventListener("submit", (e) => {
		const form = e.target, into = form.dataset.into;
		if (!sheet || (!into && form.dataset.sheet === undefined)) return;
		e.preventDefault();
		const values = new URLSearchParams(new FormData(form, e.submitter));
		if (e.submitter) e.submitter.disabled = true; // once is enough
		if (into) { ask(named(into) ? into : "sheet", form.getAttribute("action"), values); return; }
		if (sheet.hidden) opener = e.submitter;
		ask("sheet", form.getAttribute("action") + "?" + values).finally(needs);
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
		if (box.closest("form.filters") && box.tagName === "SELECT") box.form.requestSubmit();
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
