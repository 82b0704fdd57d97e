# Finds the host name in user-data (hostname:) and meta-data (local-hostname:, hostname:), as YAML or JSON.
# The first file that has one wins.
{
  gsub(/" *:/, ": ")
  gsub(/[{}",\047\r]/, " ")
  for (i = 1; i < NF; i++)
    if ($i == "local-hostname:" || $i == "hostname:") { print $(i + 1); exit }
}
