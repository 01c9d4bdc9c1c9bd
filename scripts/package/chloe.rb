class Chloe < Formula
  desc "@SUMMARY@"
  homepage "@HOMEPAGE@"
  version "@VERSION@"
  license "MIT"

  on_macos do
    on_arm do
      url "@URL_MACOS_ARM@"
      sha256 "@SUM_MACOS_ARM@"
    end
    on_intel do
      url "@URL_MACOS_INTEL@"
      sha256 "@SUM_MACOS_INTEL@"
    end
  end

  on_linux do
    on_arm do
      url "@URL_LINUX_ARM@"
      sha256 "@SUM_LINUX_ARM@"
    end
    on_intel do
      url "@URL_LINUX_INTEL@"
      sha256 "@SUM_LINUX_INTEL@"
    end
  end

  def install
    bin.install "chloe"
    man1.install "chloe.1"
    bash_completion.install "completions/chloe.bash" => "chloe"
    zsh_completion.install "completions/_chloe"
    fish_completion.install "completions/chloe.fish"
    pkgshare.install "chloe.example.toml"
  end

  # A config that is there stays as it is, whoever made it.
  def post_install
    (var/"lib/chloe").mkpath
    (var/"log").mkpath
    config = etc/"chloe/chloe.toml"
    return if config.exist?

    config.dirname.mkpath
    keys = Utils.safe_popen_read(bin/"chloe", "secret").lines.drop(1).join
    config.write <<~TOML
      # Chloe's config. Every key that can stand here: #{opt_pkgshare}/chloe.example.toml
      #{keys}
    TOML
    config.chmod 0600
  end

  service do
    run [opt_bin/"chloe", "serve", "--config", etc/"chloe/chloe.toml"]
    environment_variables STATE_DIRECTORY: var/"lib/chloe"
    keep_alive crashed: true
    log_path var/"log/chloe.log"
    error_log_path var/"log/chloe.log"
    working_dir var
  end

  def caveats
    <<~EOS
      Chloe's config, with keys of its own, is #{etc}/chloe/chloe.toml
      What is wrong in it: chloe check --config #{etc}/chloe/chloe.toml
      It looks by itself only in the current folder and in /etc/chloe.
    EOS
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/chloe --version")
    assert_match 'secret = "whsec_', shell_output("#{bin}/chloe secret")

    port = free_port
    (testpath/"chloe.toml").write "port = #{port}\n"
    pid = spawn "#{bin}/chloe", "serve", "--config", "#{testpath}/chloe.toml"
    begin
      retries = "--retry 30 --retry-connrefused --retry-delay 1"
      assert_match '"status":"ok"', shell_output("curl -fsS #{retries} http://127.0.0.1:#{port}/healthz")
    ensure
      Process.kill "TERM", pid
      Process.wait pid
    end
  end
end
