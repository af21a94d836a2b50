# Sourced by the scripts beside it: where things are, and a build that is silent unless it fails.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

# What the grains run on: builtin (shared/Actors), or orleans (the Microsoft.Orleans packages). MSBuild reads the variable
# too, and has folders of its own for each, so that going from one to the other builds nothing anew.
export ActorRuntime="${ActorRuntime:-builtin}"
case "$ActorRuntime" in
  builtin) flavour="" ;;
  orleans) flavour="orleans/" ;;
  *)
    echo "ActorRuntime is '$ActorRuntime'; builtin and orleans are known." >&2
    exit 2
    ;;
esac
program="$root/ops/cli/bin/${flavour}Release/net10.0/loire.dll"

export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
# No build server stays behind when a script has ended.
export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0

if ! command -v dotnet >/dev/null; then
  echo "The .NET 10 SDK is needed and 'dotnet' is not on the path: https://dotnet.microsoft.com/download" >&2
  exit 2
fi

# Builds a project or solution in Release; shows what the compiler said only if it failed.
build() {
  local log
  log="$(mktemp)"
  [[ -t 2 ]] && printf 'building %s ...' "$(basename "$1")" >&2
  if ! dotnet build "$1" -c Release -v quiet --nologo -p:UseSharedCompilation=false >"$log" 2>&1; then
    echo >&2
    cat "$log" >&2
    rm -f "$log"
    echo "The build of ${1#"$root"/} failed." >&2
    return 1
  fi
  rm -f "$log"
  [[ -t 2 ]] && printf '\r\033[K' >&2
  return 0
}

# One number for the names and contents of everything that the program is made of: the same means nothing to build.
fingerprint() (
  cd "$root"
  find shared silo gateway ops/cli Directory.Build.props Directory.Build.targets Directory.Packages.props BannedSymbols.txt .editorconfig global.json \
    \( -name bin -o -name obj \) -prune -o -type f -exec cksum {} + | LC_ALL=C sort | cksum
)

# Builds the command line unless the last build saw exactly these files.
build_command_line() {
  local stamp="$root/ops/cli/obj/${flavour}built.fingerprint"
  local now
  now="$(fingerprint)"
  if [[ -f "$program" && -f "$stamp" && "$(<"$stamp")" == "$now" ]]; then
    return 0
  fi

  mkdir -p "$root/ops/cli/obj/$flavour"
  (
    # Two commands started at once must not build into the same folder.
    if command -v flock >/dev/null; then
      flock 9
    fi
    if [[ -f "$program" && -f "$stamp" && "$(<"$stamp")" == "$now" ]]; then
      exit 0
    fi
    build "$root/ops/cli/Loire.Cli.csproj"
    echo "$now" >"$stamp"
  ) 9>"$root/ops/cli/obj/${flavour}build.lock"
}
