package browsertest

func (p *tab) throttle() {}
