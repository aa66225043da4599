// Libraries that hide processes and files when they are preloaded, and loadable modules that do it in the kernel.

rule Rootkit_Preload_ProcessHider : rootkit
{
    meta:
        strength = "strong"
        class = "rootkit"
        family = "libprocesshider"
        what = "library that hides processes from directory listings"
        source = "gianlucaborello/libprocesshider"
    strings:
        $e1 = "readdir"
        $e2 = "readdir64"
        $d = "dlsym"
        $f1 = "/proc/self/fd/%d"
        $f2 = "/proc/%s/stat"
        $f3 = "process_to_filter"
        $f4 = "Error in dlsym: %s"
        $f5 = "/proc/%s/cmdline"
        $f6 = "/proc/%s/comm"
        $program = /\/lib(32|64)?\/ld-(linux|musl)/
    condition:
        uint32(0) == 0x464c457f and uint8(16) == 3 and filesize < 500KB and any of ($e*) and $d and 2 of ($f*) and ($f3 or $f4 or not $program)
}

rule Rootkit_Preload_Hooks : rootkit
{
    meta:
        strength = "strong"
        class = "rootkit"
        what = "library that replaces directory, file and login functions and knows of ld.so.preload"
    strings:
        $p1 = "ld.so.preload"
        $h1 = "readdir64" fullword
        $h2 = "readdir" fullword
        $h3 = "fopen64" fullword
        $h4 = "__xstat" fullword
        $h5 = "__lxstat64" fullword
        $h6 = "unlinkat" fullword
        $h7 = "accept" fullword
        $h8 = "pcap_loop" fullword
        $h9 = "pam_authenticate" fullword
        $h10 = "pam_get_item" fullword
        $h11 = "execve" fullword
        $h12 = "ptrace" fullword
        $d = "dlsym"
        $n1 = "/proc/net/tcp"
        $n2 = "AAZHDE"
        $n3 = "HIDE_THIS_SHELL"
    condition:
        uint32(0) == 0x464c457f and uint8(16) == 3 and filesize < 5MB and $d and $p1 and any of ($h1, $h2) and (6 of ($h*) and any of ($n*) or $n2 or $n3)
}

rule Rootkit_LKM_Known : rootkit
{
    meta:
        strength = "strong"
        class = "rootkit"
        what = "kernel module that hides processes, files or load"
        source = "m0nad/Diamorphine, f0rb1dd3n/Reptile; elastic/protections-artifacts (Skidmap)"
    strings:
        $mod = "vermagic="
        $a1 = "diamorphine" nocase
        $a2 = "hacked_getdents"
        $a3 = "fake_loadavg_proc_show"
        $a4 = "fake_account_user_time"
        $a5 = "fake_seq_show_ipv4_tcp"
        $a6 = "hacked_kill"
        $a7 = "reptile_module"
        $a8 = "module_hide"
        $a9 = "is_invisible"
    condition:
        uint32(0) == 0x464c457f and $mod and 2 of ($a*)
}
