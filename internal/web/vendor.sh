#!/bin/sh
# Takes what the console serves of others from their npm packages: no Node, and nothing of it runs here. Run it in this directory
# after changing a version; static/VENDOR.txt then says what was taken.
set -eu
name=htmx.org version=2.0.8 file=package/dist/htmx.min.js to=static/htmx.min.js licence=0BSD
sha512=fm297iru0iWsNJlBrjvtN7V9zjaxd+69Oqjh4F/Vq9Wwi2kFisLcrLCiv5oBX0KLfOX/zG8AUo9ROMU5XUB44Q==

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
curl -fsS -o "$dir/p.tgz" "https://registry.npmjs.org/$name/-/$name-$version.tgz"
got=$(openssl dgst -sha512 -binary "$dir/p.tgz" | openssl base64 -A)
[ "$got" = "$sha512" ] || { echo "$name $version is not what it was: sha512-$got" >&2; exit 1; }
tar -xzf "$dir/p.tgz" -C "$dir" "$file" package/LICENSE
cp "$dir/$file" "$to"
{
	echo "$to is $file of the npm package $name $version (https://registry.npmjs.org/$name), licence $licence."
	echo "package sha512-$sha512"
	echo "file sha256 $(sha256sum "$to" | cut -d' ' -f1)"
	echo
	cat "$dir/package/LICENSE"
} >static/VENDOR.txt
