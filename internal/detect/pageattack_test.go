package detect

import (
	"strings"
	"testing"
)

// TestCraftedPagesKeepTheOwnersCode: an intruder puts his call where a cut would take an owner's code with it. Each kept text must
// stand afterwards, and no page that has one may go whole.
func TestCraftedPagesKeepTheOwnersCode(t *testing.T) {
	for _, c := range []struct{ name, ext, page, kept string }{
		{"an argument of a call", ".php", "<?php\n$conf = load('db', @eval($_POST['x']));\nrun($conf);\n", "load('db'"},
		{"an argument, and nothing else in the page", ".php", "<?php\necho render($page, @eval($_POST['x']));\n", "render($page"},
		{"a value of an array", ".php", "<?php\n$conf = ['host' => 'db1', 'x' => @eval($_POST['x'])];\nrun($conf);\n", "'host' => 'db1'"},
		{"behind an owner's variable", ".php", "<?php\n$a = $title . @eval($_POST['x']);\nrun($a);\n", "$a = $title"},
		{"behind an owner's text", ".php", "<?php\necho '<h1>All that we sell in one place</h1>' . @eval($_POST['x']);\nrun();\n", "All that we sell"},
		{"an assigned text", ".php", "<?php\n$a = 'shop' . @eval($_POST['x']);\nrun($a);\n", "$a = 'shop'"},
		{"around an owner's call", ".php", "<?php\neval($_POST['x'] . print(render($page)));\nrun();\n", "render($page)"},
		{"an include", ".php", "<?php\nrequire 'config.php' . @eval($_POST['x']);\nrun();\n", "require 'config.php'"},
		{"a condition with an owner's call", ".php", "<?php\nif (connect($db)) eval($_POST['x']);\nrun();\n", "connect($db)"},
		{"a guard against direct calls", ".php", "<?php\nif (!defined('ABSPATH')) { @eval($_POST['x']); exit; }\nrun();\n", "if (!defined('ABSPATH')) {"},
		{"a guard against strangers", ".php", "<?php\nif (!is_admin($u)) { @eval($_POST['x']); die('no'); }\nrun();\n", "die('no')"},
		{"a guard of a session", ".php", "<?php\nif (empty($_SESSION['u'])) { @eval($_POST['x']); die('no'); }\nrun();\n", "die('no')"},
		{"a guard of a token", ".php", "<?php\nif ($_POST['t'] !== TOKEN) { @eval($_POST['t']); exit; }\nrun();\n", "!== TOKEN) {"},
		{"a guard of a missing field", ".php", "<?php\nif (!isset($_POST['t'])) { @eval($_POST['t']); exit; }\nrun();\n", "exit;"},
		{"a guard of an empty field", ".php", "<?php\nif (empty($_POST['t'])) { @eval($_POST['t']); exit; }\nrun();\n", "exit;"},
		{"an owner's answer", ".php", "<?php\nif ($_GET['ping'] == '1') { @eval($_POST['x']); echo 'pong'; exit; }\nrun();\n", "echo 'pong'"},
		{"settings in a block of the owner's", ".php", "<?php @eval($_POST['x']); error_reporting(0); ini_set('display_errors', 0); ?>\n<p>shop</p>\n", "error_reporting(0); ini_set('display_errors', 0);"},
		{"a list of signatures", ".php", "<?php\n$bad = ['x', 'eval($_POST[', 'assert($_REQUEST['];\nsearch($bad);\n", "'eval($_POST['"},
		{"a list of signatures alone", ".php", "<?php\n$bad = ['x', 'eval($_POST[', 'assert($_REQUEST['];\n", "'eval($_POST['"},
		{"a comment in a statement", ".php", "<?php\nrun(1 /* not eval($_POST['x']) */);\nstop();\n", "run(1"},
		{"a comment, and nothing else", ".php", "<?php\nrun(1 /* not eval($_POST['x']) */);\n", "run(1"},
		{"documentation in a here-document", ".php", "<?php\n$help = <<<E\nnever write eval($_POST['x']); here\nE;\nrun($help);\n", "never write"},
		{"an attribute or a comment", ".php", "<?php\n@eval($_POST['x'] #['\n);\nowner1();\n#']);\nowner2();\n", "owner1();"},
		{"an attribute in front", ".php", "<?php\n#['\nowner1();\n#']\n;@eval($_POST['x']);\nowner2();\n", "owner1();"},
		{"a here-document or not", ".php", "<?php\n@eval($_POST['x'] . <<<E\n E\n . '\nE\n);\nowner1();\n#'\n);owner2();\n", "owner1();"},
		{"tags of ASP in a page of PHP", ".php", "<% #' %>\n<?php owner1(); @eval($_POST['x']); owner2(); ?>\n<% ' %>\n", "owner1();"},
		{"a printed text", ".php", "<p><?= $title . system($_GET['c']) ?></p>\n", "$title"},
		{"a printed text of JSP", ".jsp", "<p><%= shop.title() + Runtime.getRuntime().exec(request.getParameter(\"c\")) %></p>\n", "shop.title()"},
		{"two statements of one line of ASP", ".asp", "<p>a</p>\n<% Response.Write(Now()) : eval request(\"p\") %>\n", "Response.Write(Now())"},
		{"an owner's call of ASP", ".asp", "<p>a</p>\n<% x = open(db, eval(request(\"p\"))) %>\n", "open(db"},
		{"JSP, an argument", ".jsp", "<%\ncart.add(Runtime.getRuntime().exec(request.getParameter(\"c\")));\ncart.show();\n%>\n", "cart.add("},
		{"JSP that prints an owner's text", ".jsp", "<p>x</p><% out.println(\"<h1>All that we sell</h1>\"); Process p = Runtime.getRuntime().exec(request.getParameter(\"c\")); out.println(p); %>\n", "All that we sell"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pg, hits := dissected(c.page, c.ext)
			if len(hits) == 0 {
				t.Fatal("the sample does not hit")
			}
			if pg.unsure != "" {
				return
			}
			if pg.whole {
				t.Fatalf("the whole page goes: %q", c.page)
			}
			cuts, ok := pg.cuts("/p")
			if got := taken(t, c.page, cuts); !ok || !strings.Contains(got, c.kept) {
				t.Errorf("of\n%s\nthere is left\n%s", c.page, got)
			}
		})
	}
}

// TestCutsOfPagesKeepTheirBytes: whatever a page is made of, its other bytes stay.
func TestCutsOfPagesKeepTheirBytes(t *testing.T) {
	for name, c := range map[string][2]string{ // the owner's page with @ where the shell stands, and the shell
		"a mark of UTF-8 in front":       {"\xef\xbb\xbf<?php\n@run();\n", evil + "\n"},
		"lines of old Macs":              {"<?php\rrun();\r@stop();\r", evil},
		"zeros":                          {"<?php run(\"\x00\x00\");\n@stop();\x00\n", evil + "\n"},
		"no newline at the end":          {"<?php\nrun();\n@", evil},
		"mixed newlines":                 {"<?php\r\nrun();\n@stop();\r\nx();", evil + "\r\n"},
		"two of them in two places":      {"<?php\n@run();\n?><p>é</p><?php\nstop();\n", evil + "\n"},
		"a block within HTML of PHP":     {"<p>a</p>@<p>b</p><?php run();", "<?php " + evil + "?>"},
		"a line of a hundred thousand b": {"<?php /*" + strings.Repeat("x", 100_000) + "*/ @run();\n", evil},
	} {
		t.Run(name, func(t *testing.T) {
			body := strings.Replace(c[0], "@", c[1], 1)
			pg, _ := dissected(body, ".php")
			if pg.whole {
				t.Fatal("the whole page goes")
			}
			cuts, ok := pg.cuts("/p")
			if pg.unsure != "" || !ok {
				t.Fatalf("left to the owner: %s", pg.unsure)
			}
			got, want := taken(t, body, cuts), strings.Replace(c[0], "@", "", 1)
			if strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
				t.Errorf("left\n%.200q\nwant\n%.200q", got, want)
			}
		})
	}
}

// TestNoSecondShellStaysBehindACut: beside the shell that is found stands one that is not. The page is not called the owner's.
func TestNoSecondShellStaysBehindACut(t *testing.T) {
	for _, second := range []string{"$f = 'ass' . 'ert'; $f($_POST['y']);", "${f}($_POST['y']);", "array_map($_GET['f'], [1]);", "call_user_func('assert', $y);", "include $_GET['p'];", "usort($_REQUEST, $f);"} {
		if pg, hits := dissected("<?php\n"+evil+"\nrun();\n"+second+"\n", ".php"); len(hits) == 0 || pg.unsure == "" {
			t.Errorf("%s: the page is cut, and this stays", second)
		}
	}
}
