package persist

// listStartup lists what editors and other tools run when a person starts them.
func listStartup(l *Lister) {
	listFiles(l, []fileRule{
		{files: []string{"~/.ipython/profile_*/startup/*.py", "~/.ipython/profile_*/startup/*.ipy", "~/.ipython/extensions/*.py", "~/.jupyter/*_config.py", "/etc/ipython/*.py", "/etc/jupyter/*_config.py"},
			trigger: "start of IPython or Jupyter"},
		{files: []string{"~/.gdbinit", "~/.config/gdb/gdbinit", "/etc/gdb/gdbinit", "/etc/gdb/gdbinit.d/*"}, trigger: "start of gdb"},
		{files: []string{"~/.Rprofile", "/etc/R/Rprofile.site"}, trigger: "start of R"},
		{files: []string{"~/.irbrc", "~/.pryrc"}, trigger: "start of Ruby's shell"},
		{files: []string{"~/.vim/plugin/*", "~/.vim/autoload/*", "~/.config/nvim/plugin/*", "~/.local/share/nvim/site/plugin/*", "/etc/vim/plugin/*"}, trigger: "start of vim"},
		{files: []string{"~/.emacs", "~/.emacs.d/init.el", "~/.config/emacs/init.el", "/etc/emacs/site-start.d/*.el"}, trigger: "start of Emacs", unowned: true},
		{files: []string{"/etc/perl/sitecustomize.pl", "/usr/local/lib/*/perl/*/sitecustomize.pl", "/usr/lib/*/perl*/sitecustomize.pl"}, user: "every user", trigger: "every start of Perl"},
		{files: []string{"~/.docker/cli-plugins/*", "/usr/local/lib/docker/cli-plugins/*", "/usr/libexec/docker/cli-plugins/*", "/usr/lib/docker/cli-plugins/*"}, trigger: "somebody calls docker", exec: true},
	})
	vim := contains("system(", "job_start(", "jobstart(", "os.execute(", "io.popen(", "vim.fn.system(", ":!", "!sh", "silent !", "execute '!", `execute "!`, "libcall(", "luafile ", "pyfile ")
	listLines(l, []lineRule{
		{files: []string{"~/.vimrc", "~/.vim/vimrc", "~/.config/nvim/init.vim", "~/.config/nvim/init.lua", "/etc/vim/vimrc", "/etc/vim/vimrc.local", "/etc/vimrc", "/etc/virc"}, match: vim, trigger: "start of vim", comment: `"`, keep: true},
		{files: []string{"~/.tmux.conf", "~/.config/tmux/tmux.conf", "/etc/tmux.conf"}, match: contains("run-shell ", "if-shell ", "default-command ", "default-shell ", "#("), trigger: "start of tmux", keep: true},
		{files: []string{"~/.screenrc", "/etc/screenrc"}, match: settings("exec", "backtick", "screen", "shell"), trigger: "start of screen", keep: true},
		{files: []string{"~/.npmrc", "/etc/npmrc", "/usr/local/etc/npmrc"}, match: settings("script-shell", "shell", "node-options", "git", "onload-script"), trigger: "somebody calls npm", comment: "#;", keep: true},
		{files: []string{"~/.curlrc", "~/.wgetrc", "/etc/wgetrc"}, match: settings("use_askpass", "output", "post-file", "proxy", "https_proxy", "http_proxy"), trigger: "somebody calls curl or wget", keep: true},
		{files: []string{"~/.lessfilter"}, match: func(text string) (string, string) { return "lessfilter", text }, trigger: "somebody calls less"},
	})
}
