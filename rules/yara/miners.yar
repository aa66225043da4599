// Mining programs by the strings they carry. Words of cryptography (argon2, blake2b, keccak, scrypt) are left out on purpose: they are everywhere.

rule Miner_XMRig_Binary : miner
{
    meta:
        strength = "strong"
        class = "mining"
        family = "XMRig"
        what = "program with the strings of XMRig or a fork of it"
        source = "xmrig sources; SEKOIA-IO, Neo23x0, chainguard-dev/malcontent rules"
    strings:
        $a1 = "donate.v2.xmrig.com"
        $a2 = "donate.ssl.xmrig.com"
        $a3 = "donate-level"
        $a4 = "donate-over-proxy"
        $a5 = "XMRig/%s libuv/%s%s"
        $a6 = "RANDOMX_FLAG_JIT flag mismatch"
        $a7 = "randomx_create_vm"
        $a8 = "randomx_init_dataset"
        $a9 = "rx/wow"
        $b1 = "cn-heavy/xhv"
        $b2 = "cn-pico/trtl"
        $b3 = "argon2/chukwa"
        $b4 = "IP Address currently banned"
        $b5 = "Empty block template received from daemon."
        $b6 = "msr kernel module is not available"
        $b7 = "/sys/module/msr/parameters/allow_writes"
        $b8 = "set process affinity to CPU core(s), mask 0x3 for cores 0 and 1"
        $b9 = "password for mining server"
        $c1 = "'h' hashrate, 'p' pause, 'r' resume"
        $c2 = "X-Hash-Difficulty"
        $c3 = "stratum+tcp://"
        $c4 = "stratum+ssl://"
        $c5 = "hugepages-1048576kB/nr_hugepages"
    condition:
        (uint32(0) == 0x464c457f or uint16(0) == 0x5a4d) and filesize > 200KB and filesize < 30MB
        and 4 of them and any of ($a1, $a2, $a3, $a4, $a5, $c1, $c2, $c3, $c4, $b4, $b5, $b9)
}

rule Miner_Other_Binary : miner
{
    meta:
        strength = "strong"
        class = "mining"
        what = "program with the strings of a mining program (cpuminer, xmr-stak, GPU miners)"
        source = "Hestat/minerchk; RainbowMiner"
    strings:
        $a1 = "User-Agent: cpuminer/"
        $a2 = "Stratum notify: invalid Merkle branch"
        $a3 = "stratum_recv_line failed"
        $a4 = "Stratum requested work restart"
        $a5 = "thread %d: %lu hashes, %s khash/s"
        $a6 = "accepted: %lu/%lu (%.2f%%), %s khash/s"
        $a7 = "xmr-stak-cpu/"
        $a8 = "pool_address"
        $a9 = "wallet_address"
        $b1 = "pool_password"
        $b2 = "use_slow_memory"
        $b3 = "SRBMiner-MULTI"
        $b4 = "lolMiner"
        $b5 = "TeamRedMiner"
        $b6 = "NBMiner"
        $b7 = "PhoenixMiner"
        $b8 = "EthereumStratum/1.0.0"
        $b9 = "ethash_full_new"
        $c1 = "stratum+tcp://"
        $c2 = "mining.subscribe"
        $c3 = "mining.authorize"
        $c4 = "mining.submit"
        $c5 = "eth_submitLogin"
    condition:
        (uint32(0) == 0x464c457f or uint16(0) == 0x5a4d) and filesize > 50KB and filesize < 100MB
        and 4 of them and any of ($a*, $b*)
}

rule Miner_XMRig_Memory : miner memory
{
    meta:
        strength = "strong"
        class = "mining"
        family = "XMRig"
        what = "output and protocol strings of a running XMRig"
        source = "xmrig sources"
    strings:
        $s1 = "speed 10s/60s/15m"
        $s2 = "use profile  rx"
        $s3 = "new job from"
        $s4 = "dataset ready"
        $s5 = "no active pools, stop mining"
        $s6 = "READY threads"
        $s7 = "\"agent\":\"XMRig/"
        $s8 = "donate.v2.xmrig.com"
        $s9 = "RANDOMX_FLAG_JIT flag mismatch"
    condition:
        5 of them
}

rule RandomX_Library : randomx
{
    meta:
        strength = "info"
        class = "mining"
        what = "contains RandomX, as nodes, wallets and libraries do, without the strings of a mining client"
    strings:
        $r1 = "randomx_create_vm"
        $r2 = "randomx_calculate_hash"
        $r3 = "randomx_init_dataset"
        $r4 = "randomx_alloc_cache"
        $m1 = "stratum+tcp://"
        $m2 = "donate-level"
        $m3 = "mining.subscribe"
    condition:
        uint32(0) == 0x464c457f and 3 of ($r*) and none of ($m*)
}

rule Miner_Install_Script : miner script
{
    meta:
        strength = "strong"
        class = "mining"
        what = "script that installs a miner, makes it come back and removes rivals or defenses"
    strings:
        $kill1 = "pkill -f" nocase
        $kill2 = "killall -9" nocase
        $kill3 = "xargs kill -9" nocase
        $kill4 = "xargs -I % kill" nocase
        $back1 = "crontab -" nocase
        $back2 = "/etc/cron.d/" nocase
        $back3 = "/etc/systemd/system/" nocase
        $back4 = "authorized_keys" nocase
        $get1 = "curl " nocase
        $get2 = "wget " nocase
        $lock1 = "chattr +i" nocase
        $lock2 = "chattr -i" nocase
        $lock3 = "setenforce 0" nocase
        $lock4 = "iptables -F" nocase
        $lock5 = "/usr/local/aegis" nocase
        $mine1 = "stratum+" nocase
        $mine2 = "--donate-level" nocase
        $mine3 = "nr_hugepages" nocase
        $mine4 = "allow_writes=on" nocase
        $mine5 = "minexmr" nocase
        $mine6 = "supportxmr" nocase
        $mine7 = "moneroocean" nocase
        $mine8 = "c3pool" nocase
        $mine9 = "rx/0"
    condition:
        (uint16(0) == 0x2123 or filesize < 200KB) and filesize < 1MB and uint32(0) != 0x464c457f
        and any of ($kill*) and any of ($back*) and any of ($get*) and any of ($lock*) and any of ($mine*)
}
