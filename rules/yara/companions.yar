// Malware that is found beside miners.

rule Companion_Tsunami : bot
{
    meta:
        strength = "strong"
        class = "companion"
        family = "Tsunami"
        what = "IRC bot of the Tsunami (Kaiten) kind, used for attacks on others"
    strings:
        $s1 = "NOTICE %s :TSUNAMI <target> <secs>"
        $s2 = "NOTICE %s :Unable to comply."
        $s3 = "NOTICE %s :GET <host> <save as>"
        $s4 = "NOTICE %s :Removed all spoofs"
        $s5 = "NOTICE %s :Kaiten wa goraku"
        $s6 = "NOTICE %s :UNKNOWN <target> <secs>"
        $s7 = "NOTICE %s :Spoofs: %d.%d.%d.%d"
    condition:
        uint32(0) == 0x464c457f and 2 of them
}

rule Companion_XorDDoS : bot
{
    meta:
        strength = "strong"
        class = "companion"
        family = "XorDDoS"
        what = "XorDDoS, which re-creates itself under new names and attacks others"
    strings:
        $s1 = "BB2FA36AAA9541F0"
        $s2 = "/var/run/gcc.pid"
        $s3 = "/lib/libudev.so"
        $s4 = "/etc/cron.hourly/gcc.sh"
        $s5 = "TencentTraveler ; .NET CLR 1.1.4322"
        $s6 = "cp /lib/libudev.so /lib/libudev.so.6"
        $s7 = "*/3 * * * * root /etc/cron.hourly/gcc.sh"
    condition:
        filesize < 5MB and (uint32(0) == 0x464c457f and ($s1 and 1 of ($s2, $s3, $s5) or 3 of them) or uint16(0) == 0x2123 and $s6)
}

rule Companion_Mirai : bot
{
    meta:
        strength = "strong"
        class = "companion"
        family = "Mirai"
        what = "bot of the Mirai or Gafgyt kind, used for attacks on others"
    strings:
        $s1 = "/dev/misc/watchdog"
        $s2 = "/dev/watchdog"
        $s3 = "TSource Engine Query"
        $s4 = "LOLNOGTFO"
        $s5 = "/bin/busybox MIRAI"
        $s6 = "POST /cdn-cgi/"
        $s7 = "applet not found"
        $s8 = "ncorrect"
        $s9 = "enable\x00system\x00shell"
        $t1 = "HTTPFLOOD" nocase
        $t2 = "UDPFLOOD" nocase
        $t3 = "/proc/net/route"
        $t5 = "PONG!"
        $t6 = "GETLOCALIP"
    condition:
        uint32(0) == 0x464c457f and filesize < 3MB and (4 of ($s*) or 2 of ($s4, $s5, $s6) or 4 of ($t1, $t2, $t3, $t5, $t6))
}

rule Companion_Perl_Shellbot : bot
{
    meta:
        strength = "strong"
        class = "companion"
        family = "Shellbot"
        what = "IRC bot in Perl, as Outlaw leaves it"
    strings:
        $p = "IO::Socket"
        $s1 = "PRIVMSG"
        $s2 = "$0=\"$processo\"" nocase
        $s3 = "sub shell" nocase
        $s4 = "@portscan" nocase
        $s5 = "@udpflood" nocase
        $s6 = "@tcpflood" nocase
        $s7 = "my @mast3rs" nocase
        $s8 = "ircservers" nocase
    condition:
        filesize < 1MB and $p and $s1 and 2 of ($s2, $s3, $s4, $s5, $s6, $s7, $s8)
}

rule Family_Kinsing : miner
{
    meta:
        strength = "strong"
        class = "mining"
        family = "Kinsing"
        what = "the Kinsing watchdog, which restarts the miner and spreads"
        source = "SEKOIA-IO and public reports"
    strings:
        $s1 = "main.redisBrute"
        $s2 = "main.masscan"
        $s3 = "main.kiLoader"
        $s4 = "ActiveC2CUrl"
        $s5 = "tryToRunMiner"
        $s6 = "doTask with type %s"
        $s7 = "main.minRunning"
        $s8 = "-iL $INPUT --rate $RATE -p$PORT -oL $OUTPUT"
    condition:
        uint32(0) == 0x464c457f and 3 of them
}
