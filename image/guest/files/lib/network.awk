# Turns network-config (version 1 or 2, as YAML or JSON) into lines "<interface> <verb> <value>", verbs: address, gateway,
# dns, dhcp. <interface> is its MAC address where the file gives one, else its name.
# Not a YAML parser: brackets, quotes and dashes are dropped and the words are read in order, which is enough for what
# these files hold: words ending in a colon are keys, an unknown key without a value begins an interface.
BEGIN {
  split("network ethernets config subnets match nameservers addresses routes search dhcp4-overrides link-local", words, " ")
  for (i in words) structure[words[i]] = 1
}
{
  sub(/#.*/, "")
  gsub(/" *:/, ": ")
  gsub(/[{},"\047\r]|\[|\]/, " ")
  for (i = 1; i <= NF; i++) if ($i != "-") {
    word[++count] = $i
    if ($i == "ethernets:") version2 = 1
  }
}
# ends an interface; its gateways come last, as a route needs the address
function flush(   i, pass, interface) {
  interface = mac != "" ? mac : name
  for (pass = 0; pass < 2; pass++)
    for (i = 1; i <= lines && interface != ""; i++)
      if ((line[i] ~ /^gateway/) == pass) print interface " " line[i]
  lines = 0; name = ""; mac = ""
}
function emit(verb, value) { line[++lines] = verb " " value }
function isKey(text) { return text ~ /^[A-Za-z][A-Za-z0-9_-]*:$/ }
function withPrefix(address, mask,   parts, i, bits, n) {
  if (address ~ /\// || mask == "") return address
  split(mask, parts, ".")
  for (i = 1; i <= 4; i++) for (n = parts[i] + 0; n > 0; n = (n * 2) % 256) bits++
  return address "/" bits
}
END {
  for (i = 1; i <= count; i++) {
    if (!isKey(word[i])) {
      # a list's further values
      if (key == "addresses") { if (word[i] ~ /\//) emit("address", word[i]); else emit("dns", word[i]) }
      else if (key == "dns_nameservers") emit("dns", word[i])
      continue
    }
    key = substr(word[i], 1, length(word[i]) - 1)
    value = (i < count && !isKey(word[i + 1])) ? word[i + 1] : ""
    if (!version2 && key == "type") {
      if (value == "physical" && lines > 0) flush()
      if (value ~ /^dhcp/) emit("dhcp", "-")
      i++; continue
    }
    if (!version2 && key == "name") { if (lines > 0) flush(); name = value; i++; continue }
    if (key == "mac_address" || key == "macaddress") { mac = tolower(value); i++; continue }
    if (key == "address" && value != "") {
      if (value !~ /\// && word[i + 2] == "netmask:") value = withPrefix(value, word[i + 3])
      if (value ~ /\//) emit("address", value); else emit("dns", value)
      i++; continue
    }
    if (key == "gateway" || key == "gateway4") { emit("gateway", value); i++; continue }
    if (key == "to") { target = value; i++; continue }
    if (key == "via") { if (target == "default" || target == "0.0.0.0/0") emit("gateway", value); i++; continue }
    if (key == "dhcp4") { if (value == "true" || value == "yes") emit("dhcp", "-"); i++; continue }
    if (key in structure || key ~ /^dns_/) continue
    if (version2 && value == "") { flush(); name = key; continue }
    if (value != "") i++
  }
  flush()
}
