# Evaluates a formula as Homebrew would on one platform, against stubs of its DSL, and prints what came of it as
# JSON: ruby homebrew.rb <formula> <macos|linux> <arm|intel> <folder> [<binary>]. The folder stands for Homebrew's;
# with a binary, install, post_install and test are run too, on a folder of the archive's files: <folder>/archive.
require "English"
require "fileutils"
require "json"
require "pathname"
require "socket"

FORMULA, OS, CPU, FOLDER, BINARY = ARGV
PREFIX = Pathname.new(FOLDER)

class Pathname
  # Homebrew's: moves files into this folder, some under another name.
  def install(*sources)
    mkpath
    sources.flat_map { |each| each.is_a?(Hash) ? each.to_a : [[each, File.basename(each)]] }.each do |from, to|
      FileUtils.cp(from, self/to)
    end
  end
end

module Utils
  def self.safe_popen_read(*command)
    output = IO.popen(command.map(&:to_s), &:read)
    raise "#{command} failed" unless $CHILD_STATUS.success?

    output
  end
end

class Service
  attr_reader :settings

  def initialize(formula)
    @formula = formula
    @settings = {}
  end

  [:run, :environment_variables, :keep_alive, :log_path, :error_log_path, :working_dir].each do |name|
    define_method(name) { |value| @settings[name] = value }
  end

  # The formula's own names.
  def method_missing(name, *) = @formula.respond_to?(name) ? @formula.public_send(name) : super
  def respond_to_missing?(*) = true
end

class Formula
  class << self
    attr_reader :facts, :service_block, :test_block

    def inherited(formula)
      super
      formula.instance_variable_set(:@facts, {})
    end

    [:desc, :homepage, :version, :license, :url, :sha256].each do |name|
      define_method(name) do |value|
        raise "#{name} is there twice" if @facts.key?(name)

        @facts[name] = value
      end
    end

    def on_macos = (yield if OS == "macos")
    def on_linux = (yield if OS == "linux")
    def on_arm = (yield if CPU == "arm")
    def on_intel = (yield if CPU == "intel")
    def service(&block) = @service_block = block
    def test(&block) = @test_block = block
  end

  def version = self.class.facts[:version]
  def prefix = PREFIX/"cellar"
  def opt_bin = bin
  def bin = prefix/"bin"
  def man1 = prefix/"share/man/man1"
  def pkgshare = prefix/"share/chloe"
  def opt_pkgshare = pkgshare
  def bash_completion = prefix/"etc/bash_completion.d"
  def zsh_completion = prefix/"share/zsh/site-functions"
  def fish_completion = prefix/"share/fish/vendor_completions.d"
  def etc = PREFIX/"etc"
  def var = PREFIX/"var"
  def testpath = (PREFIX/"test").tap(&:mkpath)


  # None of those that the system gives for 0: it could give the same to somebody else before it is used.
  def free_port
    port = rand(20_000...32_000)
    TCPServer.open("127.0.0.1", port) { port }
  rescue Errno::EADDRINUSE
    retry
  end

  def shell_output(command) = `#{command}`.tap { raise "#{command} failed" unless $CHILD_STATUS.success? }

  def assert_match(pattern, text)
    raise "#{text.inspect} does not match #{pattern.inspect}" unless text.match?(pattern.is_a?(String) ? Regexp.escape(pattern) : pattern)
  end
end

load FORMULA
formula = Chloe.new
service = Service.new(formula)
service.instance_eval(&Chloe.service_block)
ran = false
if BINARY
  Dir.chdir(PREFIX/"archive") { formula.install }
  2.times { formula.post_install }
  formula.instance_eval(&Chloe.test_block)
  ran = true
end
puts JSON.generate(
  facts: Chloe.facts,
  service: service.settings.transform_values { |value| value.is_a?(Array) ? value.map(&:to_s) : value },
  caveats: formula.caveats,
  has_test: !Chloe.test_block.nil?,
  ran: ran,
)
