package feed

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Limits of a download.
const (
	fetchTime    = 2 * time.Minute
	maxRedirects = 5
)

// CheckURL tells whether a bundle may be fetched from a place: https, a host, no password.
func CheckURL(place string) error {
	u, err := url.Parse(place)
	switch {
	case err != nil:
		return fmt.Errorf("place %q: %w", clip(place), err)
	case u.Scheme != "https" || u.Host == "" || u.User != nil || len(place) > 2000:
		return fmt.Errorf("place %q: want an https address without a password", clip(place))
	}
	return nil
}

// Fetch gets a bundle over https. What it gives was checked in form only: it is as hostile as any file until Trust. client
// is for tests; nil means one of its own, which trusts the certificates of the system and obeys HTTPS_PROXY.
func Fetch(ctx context.Context, client *http.Client, place string) (*Bundle, error) {
	if err := CheckURL(place); err != nil {
		return nil, err
	}
	if client == nil {
		client = &http.Client{Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
			DisableCompression: true, MaxResponseHeaderBytes: 64 << 10, ResponseHeaderTimeout: 30 * time.Second, ForceAttemptHTTP2: true,
		}}
	}
	own := *client
	own.Jar, own.CheckRedirect = nil, redirect
	ctx, stop := context.WithTimeout(ctx, fetchTime)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, place, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch bundle: %w", err)
	}
	req.Header.Set("User-Agent", "deminer")
	res, err := own.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch bundle: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch bundle: the server answers %d", res.StatusCode)
	}
	if res.ContentLength > MaxArchive {
		return nil, fmt.Errorf("fetch bundle: %w: %d bytes", ErrLimit, res.ContentLength)
	}
	b, err := Read(res.Body)
	if err != nil {
		return nil, fmt.Errorf("fetch bundle: %w", err)
	}
	return b, nil
}

func redirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errors.New("too many redirects")
	}
	return CheckURL(req.URL.String())
}
