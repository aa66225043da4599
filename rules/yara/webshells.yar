// Web shells: a request parameter reaches an evaluator or a shell. Obfuscation alone is weak.

rule WebShell_PHP_Request_Eval : webshell
{
    meta:
        strength = "strong"
        class = "webshell"
        what = "PHP that runs what a web request sends"
    strings:
        $php = /<\?(php|=|\s)/ nocase
        $run = /\b(eval|assert|system|shell_exec|passthru|exec|popen|proc_open|pcntl_exec|create_function)\s*\(\s*(@?\s*(base64_decode|gzinflate|gzuncompress|str_rot13|urldecode|stripslashes|trim|hex2bin|strrev)\s*\(\s*){0,4}@?\$_(GET|POST|REQUEST|COOKIE|SERVER|FILES)\b/ nocase
        $call = /\$_(GET|POST|REQUEST|COOKIE)\s*\[[^\]]{1,40}\]\s*\(\s*@?\$_(GET|POST|REQUEST|COOKIE)\b/ nocase
        $tick = /`\s*\$_(GET|POST|REQUEST|COOKIE)\s*\[/ nocase
        $input = /\b(eval|assert)\s*\(\s*file_get_contents\s*\(\s*['"]php:\/\/input/ nocase
        $prege = /preg_replace\s*\(\s*['"]\/[^'"]{0,60}\/[a-z]{0,3}e[a-z]{0,3}['"]\s*,\s*@?\$_(GET|POST|REQUEST|COOKIE)/ nocase
    condition:
        uint32(0) != 0x464c457f and uint32(0) != 0x72613c21 and filesize < 2MB and $php and any of ($run, $call, $tick, $input, $prege)
}

rule WebShell_PHP_Layered : webshell
{
    meta:
        strength = "weak"
        class = "webshell"
        what = "PHP that unpacks and runs code hidden in itself"
    strings:
        $php = "<?"
        $a = /\b(eval|assert)\s*\(\s*(@?\s*(gzinflate|gzuncompress|gzdecode|str_rot13|strrev|base64_decode|convert_uudecode|hex2bin)\s*\(\s*){2,8}['"$]/ nocase
        $b = /\beval\s*\(\s*base64_decode\s*\(\s*['"][A-Za-z0-9+\/=]{200}/ nocase
    condition:
        uint32(0) != 0x464c457f and uint32(0) != 0x72613c21 and filesize < 5MB and $php and any of ($a, $b)
}

rule WebShell_PHP_Manager : webshell
{
    meta:
        strength = "strong"
        class = "webshell"
        what = "PHP file manager and command console of a known kind"
        source = "public names of web shells"
    strings:
        $php = "<?"
        $n1 = "FilesMan"
        $n2 = "c99shell" nocase
        $n3 = "r57shell" nocase
        $n4 = "WSO 2." nocase
        $n5 = "b374k" nocase
        $n6 = "weevely" nocase
        $n7 = "AntSword" nocase
        $n8 = "P.A.S. v." nocase
        $n9 = "Alfa Team" nocase
        $r1 = /\b(eval|system|shell_exec|passthru|exec|proc_open)\s*\(/ nocase
        $r2 = "move_uploaded_file" nocase
        $r3 = "$_POST"
        $r4 = "$_REQUEST"
        $r5 = "$_COOKIE"
    condition:
        uint32(0) != 0x464c457f and uint32(0) != 0x72613c21 and filesize < 2MB and $php and any of ($n*) and $r1 and 1 of ($r2, $r3, $r4, $r5)
}

rule WebShell_JSP : webshell
{
    meta:
        strength = "strong"
        class = "webshell"
        what = "JSP that runs what a web request sends"
    strings:
        $jsp1 = "<%"
        $jsp2 = "<jsp:" nocase
        $run1 = /getRuntime\s*\(\s*\)\s*\.\s*exec\s*\(\s*(new\s+String\[\]\s*\{[^}]{0,60})?\s*request\s*\.\s*getParameter/ nocase
        $run2 = /new\s+ProcessBuilder\s*\([^;]{0,80}request\s*\.\s*getParameter/ nocase
        $load1 = "defineClass"
        $load2 = "extends ClassLoader"
        $load3 = "AES/ECB/PKCS5Padding"
        $load4 = "SecretKeySpec"
        $in1 = "request.getReader()"
        $in2 = "request.getParameter"
        $in3 = "session.putValue"
        $var1 = /=\s*request\s*\.\s*getParameter\s*\(/
        $exec = /getRuntime\s*\(\s*\)\s*\.\s*exec\s*\(/
        $out = /out\s*\.\s*print(ln)?\s*\(/
    condition:
        uint32(0) != 0x464c457f and uint32(0) != 0x72613c21 and filesize < 1MB and any of ($jsp*) and (any of ($run*) or ($load1 or $load2) and 1 of ($load3, $load4) and any of ($in*) or $var1 and $exec and $out)
}

rule WebShell_ASP : webshell
{
    meta:
        strength = "strong"
        class = "webshell"
        what = "ASP or ASPX that runs what a web request sends"
    strings:
        $asp = "<%"
        $run1 = /\b(eval|execute|executeglobal)\s*\(?\s*request\s*(\.(item|form|querystring)\s*)?[\(\[]/ nocase
        $run2 = /eval\s*\(\s*Request\.(Item|Form|QueryString|Params)\s*\[/ nocase
        $run3 = /CreateObject\s*\(\s*"WScript\.Shell"\s*\)\s*\.\s*exec\s*\([^)]{0,80}request/ nocase
        $proc = /Process(StartInfo)?\s*[.(][^;]{0,200}Request\s*[.\[(]/ nocase
        $load1 = "Assembly.Load("
        $load2 = "CreateInstance("
        $load3 = "CreateDecryptor("
        $load4 = "Request.BinaryRead"
    condition:
        uint32(0) != 0x464c457f and uint32(0) != 0x72613c21 and filesize < 1MB and $asp and (any of ($run*) or $proc or all of ($load*))
}
