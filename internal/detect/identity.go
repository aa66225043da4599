package detect

import "github.com/deminer/deminer"

func (p *Pass) accountIdentity(a *deminer.Account) {}

func (p *Pass) keyIdentity(f *deminer.Foothold) {}
