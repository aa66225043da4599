package yara

import (
	"context"
	"fmt"
	"io"
	"slices"
)

// Region is a part of the memory of a process.
type Region struct {
	Base, Size int64 // addresses; Base+Size fits into an int64
}

// ScanRegions looks at the memory of a process region by region: mem is read at addresses, a window at a time. Offsets of matches are addresses. What cannot be read,
// because the process gave it back meanwhile, is passed over and counted in Result.Unread. As in libyara filesize is undefined; so are all fields of modules that read
// files. Regions may come in any order but must not overlap.
func (r *Rules) ScanRegions(ctx context.Context, mem io.ReaderAt, regions []Region, opt ScanOptions) (Result, error) {
	regions = slices.Clone(regions)
	slices.SortFunc(regions, func(a, b Region) int { return int(min(max(a.Base-b.Base, -1), 1)) })
	end, total := int64(0), int64(0)
	for _, g := range regions {
		if g.Base < end || g.Size < 0 || g.Base+g.Size < g.Base {
			return Result{}, fmt.Errorf("region at %#x of %d bytes overlaps another or is none", g.Base, g.Size)
		}
		end = g.Base + g.Size
		total += g.Size
	}
	s := r.scanner()
	defer s.release()
	s.ctx, s.data, s.size, s.console, s.memory = ctx, mem, end, opt.Console, true
	if err := s.overrides(opt.Externals); err != nil {
		return Result{}, err
	}
	res := Result{}
	for _, g := range regions {
		if opt.MaxBytes > 0 && res.Size >= opt.MaxBytes {
			res.Partial = true
			break
		}
		n, err := s.region(ctx, g)
		res.Size += n
		res.Unread += g.Size - n
		if err != nil {
			return Result{}, err
		}
	}
	s.settle()
	var err error
	res.Matches, err = s.judge(ctx)
	res.Truncated = s.cut
	return res, err
}

// region looks at one region and gives the number of bytes it could read.
func (s *scanner) region(ctx context.Context, g Region) (read int64, err error) {
	step, over := int64(s.r.limits.Window), int64(s.r.overlap)
	for lo, end := g.Base, g.Base+g.Size; lo < end; lo += step {
		if err := ctx.Err(); err != nil {
			return read, err
		}
		from, to := max(g.Base, lo-2), min(end, lo+step+over)
		if int64(len(s.buf)) < to-from {
			s.buf = make([]byte, step+over+2)
		}
		n, _ := s.data.ReadAt(s.buf[:to-from], from) // a process gives memory back: what is short is counted as unread
		if int64(n) < to-from {
			end = from + int64(n)
		}
		s.bufAt, s.bufLen = from, n
		s.lo, s.limit = lo, lo+step
		if from+int64(n) > lo {
			s.look(view{s.buf[:n], from, end})
		}
		if s.stopped != nil {
			return read, s.stopped
		}
		read = max(read, min(from+int64(n), lo+step)-g.Base)
	}
	return read, nil
}
