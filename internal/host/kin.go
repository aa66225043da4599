package host

// MaxKin bounds how many processes are the kin of some.
const MaxKin = 512

// Kin gives the processes around some: they, their ancestors, and what descends from them, at most MaxKin. parents is the
// parent of every process. What descends from the first two processes is everything, and is no kin.
func Kin(parents map[int]int, pids []int) map[int]bool {
	out := map[int]bool{}
	for _, pid := range pids {
		for n := 0; n < MaxKin && len(out) < MaxKin; n++ {
			up, there := parents[pid]
			if !there || out[pid] && n > 0 {
				break
			}
			out[pid] = true
			pid = up
		}
	}
	children := map[int][]int{}
	for pid, up := range parents {
		children[up] = append(children[up], pid)
	}
	todo := append([]int(nil), pids...)
	asked := map[int]bool{1: true, 2: true}
	for len(todo) > 0 && len(out) < MaxKin {
		pid := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if _, there := parents[pid]; !there || asked[pid] {
			continue
		}
		asked[pid], out[pid] = true, true
		todo = append(todo, children[pid]...)
	}
	return out
}
